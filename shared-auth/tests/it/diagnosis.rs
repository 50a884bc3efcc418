//! The table of codes and the page about them say the same.

use std::collections::BTreeMap;

use entra_lab::EntraLab;
use shared_auth::{ClientCredential, ConfidentialClient, Diagnosis};

use crate::support::{DAEMON, GRAPH_DEFAULT, registration};

const PAGE: &str = include_str!("../../../docs/troubleshooting.md");

/// The sections of the page under their codes, with every run of blanks as one.
fn sections() -> BTreeMap<u32, String> {
    let by_code = PAGE.split("\n## By symptom").next().unwrap();
    let mut sections = BTreeMap::new();
    for section in by_code.split("\n### ").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap();
        let Some(code) = heading.strip_prefix("AADSTS") else { continue };
        let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        assert!(sections.insert(code.parse().unwrap(), text).is_none(), "{heading} stands twice on the page");
    }
    sections
}

#[test]
fn every_code_of_the_table_stands_on_the_page_with_the_same_words() {
    let sections = sections();

    for diagnosis in Diagnosis::all() {
        let Diagnosis { code, meaning, cause, fix, .. } = diagnosis;
        let section = sections
            .get(code)
            .unwrap_or_else(|| panic!("AADSTS{code} is missing in docs/troubleshooting.md"));
        let expected = format!("{meaning} {cause} **Fix:** {fix}");
        assert!(
            section.starts_with(&expected),
            "AADSTS{code} in docs/troubleshooting.md must begin with\n{expected}\n\nand begins with\n{section}"
        );
    }
}

#[test]
fn every_code_on_the_page_is_in_the_table() {
    let sections = sections();

    assert!(sections.len() >= 60, "{}", sections.len());
    for code in sections.keys() {
        assert!(Diagnosis::of(*code).is_some(), "AADSTS{code} is on the page, but not in the table");
    }
}

#[test]
fn every_code_that_the_lab_can_answer_is_explained() {
    let catalogue = include_str!("../../../entra-lab/src/errors.rs");
    let codes: Vec<u32> = catalogue
        .lines()
        .filter_map(|line| line.trim().split_once(" = "))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .filter_map(|(_, row)| row.split(' ').next()?.parse().ok())
        .collect();

    assert!(codes.len() >= 40, "{codes:?}");
    for code in codes {
        assert!(Diagnosis::of(code).is_some(), "AADSTS{code}");
    }
}

#[test]
fn links_of_the_documentation_lead_to_codes_that_are_there() {
    let sections = sections();
    for text in [
        PAGE,
        include_str!("../../../docs/scenarios/daemon.md"),
        include_str!("../../../docs/scenarios/web-app.md"),
        include_str!("../../../docs/scenarios/web-api-on-behalf-of.md"),
    ] {
        for link in text.split("#aadsts").skip(1) {
            let code: String = link.chars().take_while(char::is_ascii_digit).collect();
            assert!(sections.contains_key(&code.parse().unwrap()), "#aadsts{code} leads nowhere");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_helps_and_knows_why() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.credential = ClientCredential::secret("the Secret ID instead of the Value");

    let error =
        ConfidentialClient::new(config).unwrap().acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

    let diagnosis = error.refusal().unwrap().diagnosis().unwrap();
    assert_eq!(diagnosis.code, 7000215);
    assert!(error.to_string().ends_with(diagnosis.fix), "{error}");
    assert!(diagnosis.cause.contains("Secret ID"));
}
