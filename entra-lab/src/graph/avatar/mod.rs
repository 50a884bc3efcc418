//! Photos for people who do not exist: initials on a colour, painted and encoded when first asked for.
//!
//! The seed gives a colour to whoever has a photo. `letters` knows the shapes, `jpeg` the file
//! format, so the lab needs neither a font nor an image library, and the repository no pictures.

mod jpeg;
mod letters;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::directory::User;
use letters::Segment;

/// Width and height in pixels.
pub const SIZE: usize = 240;
pub const CONTENT_TYPE: &str = "image/jpeg";

/// Measures in units of a letter's height.
const LETTER_HEIGHT: f32 = 0.33 * SIZE as f32;
const STROKE: f32 = 0.088;
const GAP: f32 = 0.34;

type Rgb = [f32; 3];
/// Finished photos by initials and colour.
type Painted = HashMap<(String, String), Arc<Avatar>>;

const PAPER: Rgb = [255.0, 252.0, 246.0];
/// For a colour in the seed that is none.
const SLATE: Rgb = [74.0, 90.0, 120.0];

/// A finished photo.
#[derive(Debug, PartialEq, Eq)]
pub struct Avatar {
    pub jpeg: Bytes,
    /// With its quotes, as it stands in the header.
    pub etag: String,
}

impl Avatar {
    /// The photo of a user who has one. Painted once; people with the same look share it.
    pub fn of(user: &User) -> Option<Arc<Self>> {
        static PAINTED: Mutex<Option<Painted>> = Mutex::new(None);
        let look = (initials(&user.display_name), user.photo.clone()?);
        let mut painted = PAINTED.lock().unwrap_or_else(PoisonError::into_inner);
        let painted = painted.get_or_insert_default();
        if let Some(avatar) = painted.get(&look) {
            return Some(Arc::clone(avatar));
        }
        let avatar = Arc::new(Self::new(&look.0, &look.1));
        painted.insert(look, Arc::clone(&avatar));
        Some(avatar)
    }

    fn new(initials: &str, colour: &str) -> Self {
        let jpeg = jpeg::encode(SIZE, &paint(initials, colour_of(colour)));
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, &jpeg).as_ref()[..12]));
        Self { jpeg: jpeg.into(), etag }
    }
}

/// First letters of the first and the last name.
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|w| w.chars().next());
    let ends = [words.next(), words.next_back()];
    ends.into_iter().flatten().flat_map(char::to_uppercase).collect()
}

/// `#rrggbb` as numbers.
fn colour_of(text: &str) -> Rgb {
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6);
    match digits.and_then(|d| u32::from_str_radix(d, 16).ok()) {
        Some(rgb) => [16, 8, 0].map(|shift| ((rgb >> shift) & 255) as f32),
        None => SLATE,
    }
}

/// The pixels: a slope from light to dark, a pale disc behind, the initials in front.
fn paint(initials: &str, colour: Rgb) -> Vec<Rgb> {
    let ink = ink(initials);
    let size = SIZE as f32;
    (0..SIZE * SIZE)
        .map(|index| {
            let (x, y) = ((index % SIZE) as f32 / size, (index / SIZE) as f32 / size);
            let slope = (x + y) / 2.0;
            let ground = if slope < 0.5 {
                mix(colour, [255.0; 3], (0.5 - slope) * 0.42)
            } else {
                mix(colour, [0.0; 3], (slope - 0.5) * 0.5)
            };
            let disc = (0.66 - (x - 0.6).hypot(y - 1.22)) * size;
            let ground = mix(ground, [255.0; 3], disc.clamp(0.0, 1.0) * 0.08);
            mix(ground, PAPER, ink[index])
        })
        .collect()
}

/// How much of each pixel the initials cover, from 0 to 1.
fn ink(initials: &str) -> Vec<f32> {
    let mut ink = vec![0.0_f32; SIZE * SIZE];
    let (width, segments) = letters::write(initials, GAP);
    let scale = LETTER_HEIGHT.min(0.62 * SIZE as f32 / width.max(0.1));
    let (left, top) = ((SIZE as f32 - width * scale) / 2.0, (SIZE as f32 - scale) / 2.0);
    let reach = STROKE * scale;
    for segment in segments {
        let placed = segment.map(|[x, y]| [left + x * scale, top + y * scale]);
        let [[x1, y1], [x2, y2]] = placed;
        for y in pixels(y1.min(y2) - reach, y1.max(y2) + reach) {
            for x in pixels(x1.min(x2) - reach, x1.max(x2) + reach) {
                let cover = (reach + 0.5 - distance(placed, x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
                let pixel = &mut ink[y * SIZE + x];
                *pixel = pixel.max(cover);
            }
        }
    }
    ink
}

/// The whole pixels around a stretch, inside the picture.
fn pixels(from: f32, to: f32) -> std::ops::Range<usize> {
    (from - 1.0).max(0.0) as usize..((to + 2.0).max(0.0) as usize).min(SIZE)
}

fn distance([[x1, y1], [x2, y2]]: Segment, x: f32, y: f32) -> f32 {
    let (dx, dy) = (x2 - x1, y2 - y1);
    let length = (dx * dx + dy * dy).max(f32::EPSILON);
    let along = (((x - x1) * dx + (y - y1) * dy) / length).clamp(0.0, 1.0);
    (x - x1 - along * dx).hypot(y - y1 - along * dy)
}

fn mix(from: Rgb, to: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_letters_of_the_first_and_the_last_name() {
        let cases = [
            ("Alice Kim", "AK"),
            ("Ana Maria de la Cruz", "AC"),
            ("Prince", "P"),
            ("", ""),
            ("ömer ß", "ÖSS"),
        ];
        for (name, expected) in cases {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn paints_something_for_every_name_and_colour() {
        for (initials, colour) in
            [("AK", "#2f6f4f"), ("WW", "#000000"), ("", "red"), ("김", "#12345é"), ("SSSS", "")]
        {
            let avatar = Avatar::new(initials, colour);

            assert!(
                avatar.jpeg.starts_with(&[0xff, 0xd8]) && avatar.jpeg.ends_with(&[0xff, 0xd9]),
                "{initials}"
            );
            assert!(avatar.jpeg.len() < 40_000, "{initials}: {} bytes", avatar.jpeg.len());
        }
    }
}
