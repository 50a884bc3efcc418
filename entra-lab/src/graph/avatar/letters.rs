//! The capital letters as strokes of a round pen, for the initials in a photo.
//!
//! A letter stands in a box of height 100, y pointing down. Angles are in degrees: 0 is right, 90 is
//! down. Whoever has no initial from A to Z gets the outline of a person.

/// A straight piece of a stroke, from one point to another.
pub type Segment = [[f32; 2]; 2];

/// How finely curves are cut.
const PIECES: u8 = 28;

enum Stroke {
    Line(f32, f32, f32, f32),
    /// Centre, both radii, first and last angle.
    Arc(f32, f32, f32, f32, f32, f32),
}
use Stroke::{Arc, Line};

/// The strokes of a text side by side in units of the letter height, and their width together.
pub fn write(text: &str, gap: f32) -> (f32, Vec<Segment>) {
    let mut shapes: Vec<_> = text.chars().filter_map(letter).take(2).collect();
    if shapes.is_empty() {
        shapes.push(PERSON);
    }
    let mut segments = Vec::new();
    let mut left = 0.0;
    for (index, (width, strokes)) in shapes.into_iter().enumerate() {
        if index > 0 {
            left += gap;
        }
        for stroke in strokes {
            segments.extend(cut(stroke).map(|s| s.map(|[x, y]| [left + x / 100.0, y / 100.0])));
        }
        left += width / 100.0;
    }
    (left, segments)
}

fn cut(stroke: &Stroke) -> impl Iterator<Item = Segment> + use<'_> {
    let pieces = if matches!(stroke, Arc(..)) { PIECES } else { 1 };
    (0..pieces).map(move |piece| [point(stroke, piece, pieces), point(stroke, piece + 1, pieces)])
}

fn point(stroke: &Stroke, piece: u8, pieces: u8) -> [f32; 2] {
    let share = f32::from(piece) / f32::from(pieces);
    match *stroke {
        Line(x1, y1, x2, y2) => [x1 + (x2 - x1) * share, y1 + (y2 - y1) * share],
        Arc(x, y, rx, ry, from, to) => {
            let (sin, cos) = (from + (to - from) * share).to_radians().sin_cos();
            [x + rx * cos, y + ry * sin]
        }
    }
}

type Shape = (f32, &'static [Stroke]);

const PERSON: Shape =
    (100.0, &[Arc(50.0, 24.0, 24.0, 24.0, 0.0, 360.0), Arc(50.0, 108.0, 46.0, 42.0, 180.0, 360.0)]);

/// Width and strokes of a letter.
#[rustfmt::skip]
fn letter(letter: char) -> Option<Shape> {
    Some(match letter {
        'A' => (84., &[Line(0., 100., 42., 0.), Line(42., 0., 84., 100.), Line(14., 67., 70., 67.)]),
        'B' => (64., &[Line(0., 0., 0., 100.), Line(0., 0., 35., 0.), Arc(35., 24., 24., 24., -90., 90.), Line(0., 48., 38., 48.), Arc(38., 74., 26., 26., -90., 90.), Line(0., 100., 38., 100.)]),
        'C' => (82., &[Arc(48., 50., 48., 50., 48., 312.)]),
        'D' => (77., &[Line(0., 0., 0., 100.), Line(0., 0., 28., 0.), Arc(28., 50., 49., 50., -90., 90.), Line(0., 100., 28., 100.)]),
        'E' => (56., &[Line(0., 0., 0., 100.), Line(0., 0., 56., 0.), Line(0., 49., 48., 49.), Line(0., 100., 56., 100.)]),
        'F' => (54., &[Line(0., 0., 0., 100.), Line(0., 0., 54., 0.), Line(0., 50., 46., 50.)]),
        'G' => (94., &[Arc(47., 50., 47., 50., 0., 312.), Line(58., 50., 94., 50.)]),
        'H' => (74., &[Line(0., 0., 0., 100.), Line(74., 0., 74., 100.), Line(0., 50., 74., 50.)]),
        'I' => (1., &[Line(0., 0., 0., 100.)]),
        'J' => (46., &[Line(46., 0., 46., 72.), Arc(22., 72., 24., 28., 0., 155.)]),
        'K' => (66., &[Line(0., 0., 0., 100.), Line(62., 0., 0., 62.), Line(23., 40., 66., 100.)]),
        'L' => (52., &[Line(0., 0., 0., 100.), Line(0., 100., 52., 100.)]),
        'M' => (92., &[Line(0., 100., 0., 0.), Line(0., 0., 46., 66.), Line(46., 66., 92., 0.), Line(92., 0., 92., 100.)]),
        'N' => (74., &[Line(0., 100., 0., 0.), Line(0., 0., 74., 100.), Line(74., 100., 74., 0.)]),
        'O' => (100., &[Arc(50., 50., 50., 50., 0., 360.)]),
        'P' => (63., &[Line(0., 0., 0., 100.), Line(0., 0., 35., 0.), Arc(35., 28., 28., 28., -90., 90.), Line(0., 56., 35., 56.)]),
        'Q' => (100., &[Arc(50., 50., 50., 50., 0., 360.), Line(64., 72., 94., 105.)]),
        'R' => (66., &[Line(0., 0., 0., 100.), Line(0., 0., 35., 0.), Arc(35., 28., 28., 28., -90., 90.), Line(0., 56., 35., 56.), Line(34., 56., 66., 100.)]),
        'S' => (62., &[Arc(31., 25., 28., 25., -28., -270.), Arc(31., 75., 31., 25., -90., 152.)]),
        'T' => (76., &[Line(0., 0., 76., 0.), Line(38., 0., 38., 100.)]),
        'U' => (74., &[Line(0., 0., 0., 63.), Arc(37., 63., 37., 37., 180., 0.), Line(74., 63., 74., 0.)]),
        'V' => (84., &[Line(0., 0., 42., 100.), Line(42., 100., 84., 0.)]),
        'W' => (118., &[Line(0., 0., 29., 100.), Line(29., 100., 59., 22.), Line(59., 22., 89., 100.), Line(89., 100., 118., 0.)]),
        'X' => (76., &[Line(0., 0., 76., 100.), Line(76., 0., 0., 100.)]),
        'Y' => (80., &[Line(0., 0., 40., 50.), Line(80., 0., 40., 50.), Line(40., 50., 40., 100.)]),
        'Z' => (70., &[Line(0., 0., 70., 0.), Line(70., 0., 0., 100.), Line(0., 100., 70., 100.)]),
        _ => return None,
    })
}
