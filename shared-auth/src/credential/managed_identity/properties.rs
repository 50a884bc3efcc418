//! What holds of the machine's answers: a token that can be sent, or a sentence without a piece of one.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use url::Url;

use super::answer;
use crate::http::Answer;
use crate::properties::is_one_line;

/// A body, as a yes and as a no.
pub fn machine_token(data: &[u8]) {
    let Ok(url) = Url::parse("http://169.254.169.254/metadata/identity/oauth2/token") else { return };
    for status in [200, 400, 500] {
        let answer =
            Answer { status, headers: HeaderMap::new(), body: data.to_vec(), correlation_id: "c".to_owned() };
        match answer::read(&answer, &url, "https://graph.microsoft.com", Timestamp::UNIX_EPOCH) {
            Ok(token) => {
                let text = token.access_token.expose_secret();
                assert!(
                    status == 200 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
                );
            }
            Err(error) => is_one_line(&error.to_string()),
        }
    }
}
