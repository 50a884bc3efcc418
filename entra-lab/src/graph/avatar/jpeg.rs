//! A small JPEG writer (ITU-T T.81, baseline, no colour subsampling) for square pictures.
//!
//! Steps: RGB to luminance and two colour differences; blocks of 8 by 8; cosine transform;
//! quantisation; zigzag; Huffman code. The tables of the standard's annex are only a suggestion, so
//! ours are rules instead of lists: the files get a little larger, and there is nothing to mistype.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

const SIDE: usize = 8;
type Block = [[f32; SIDE]; SIDE];

/// Writes a picture of `size` by `size` pixels. A rest beyond the last whole block is left out.
pub fn encode(size: usize, pixels: &[[f32; 3]]) -> Vec<u8> {
    let blocks = size / SIDE;
    let zigzag = zigzag();
    let quality = zigzag.map(|(row, column)| step(row, column));
    let cosines = cosines();
    let mut bits = Bits { out: head(blocks * SIDE, &quality), hold: 0, held: 0 };
    let mut last = [0; 3];
    for index in 0..blocks * blocks {
        let (top, left) = (index / blocks * SIDE, index % blocks * SIDE);
        for (component, last) in last.iter_mut().enumerate() {
            let block = std::array::from_fn(|y| {
                std::array::from_fn(|x| component_of(pixels[(top + y) * size + left + x], component))
            });
            let waves = transform(&block, &cosines);
            let numbers: [i32; 64] = std::array::from_fn(|i| {
                let (row, column) = zigzag[i];
                (waves[row][column] / f32::from(quality[i])).round() as i32
            });
            bits.block(&numbers, last);
        }
    }
    bits.end()
}

/// Luminance or one of the colour differences, centred on zero.
fn component_of([r, g, b]: [f32; 3], component: usize) -> f32 {
    match component {
        0 => 0.299 * r + 0.587 * g + 0.114 * b - 128.0,
        1 => -0.168_736 * r - 0.331_264 * g + 0.5 * b,
        _ => 0.5 * r - 0.418_688 * g - 0.081_312 * b,
    }
}

/// How coarsely a wave is written down: the finer the wave, the coarser.
fn step(row: usize, column: usize) -> u8 {
    (2 + (row + column) * 3 / 2) as u8
}

/// Rows and columns of a block in the order of their diagonals, each second one backwards.
fn zigzag() -> [(usize, usize); 64] {
    let mut order: [(usize, usize); 64] = std::array::from_fn(|i| (i / SIDE, i % SIDE));
    order.sort_by_key(|&(row, column)| {
        let diagonal = row + column;
        (diagonal, if diagonal % 2 == 0 { column } else { row })
    });
    order
}

/// `cosines[u][x]`: wave `u` at place `x`, scaled so that the transform keeps lengths.
fn cosines() -> Block {
    std::array::from_fn(|u| {
        let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
        std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos())
    })
}

/// Along the rows, then along the columns.
fn transform(block: &Block, cosines: &Block) -> Block {
    let rows: Block = std::array::from_fn(|y| {
        std::array::from_fn(|u| (0..SIDE).map(|x| block[y][x] * cosines[u][x]).sum())
    });
    std::array::from_fn(|v| std::array::from_fn(|u| (0..SIDE).map(|y| rows[y][u] * cosines[v][y]).sum()))
}

/// Symbols for the first number of a block: how many bits it has. Zero is by far the most frequent.
fn first_symbols() -> Vec<u8> {
    (0..12).collect()
}

/// Symbols for the other numbers: how many zeros in front, and how many bits. The first one ends the
/// block, 0xf0 stands for sixteen zeros.
fn other_symbols() -> Vec<u8> {
    let pairs = (0..16u8).flat_map(|zeros| (1..11u8).map(move |bits| zeros << 4 | bits));
    [0x00, 0xf0].into_iter().chain(pairs).collect()
}

/// Everything in front of the picture data.
fn head(size: usize, quality: &[u8; 64]) -> Vec<u8> {
    let [.., high, low] = size.to_be_bytes();
    let mut out = vec![0xff, 0xd8];
    segment(&mut out, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    segment(&mut out, 0xdb, &[&[0], quality.as_slice()].concat());
    // Eight bits deep; three components, each in full size and with quantisation table 0.
    segment(&mut out, 0xc0, &[8, high, low, high, low, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    // One symbol has a code of one bit, all others have the same length.
    for (class, symbols, long) in [(0x00, first_symbols(), 5), (0x10, other_symbols(), 9)] {
        let mut counts = [0u8; 16];
        counts[0] = 1;
        counts[long - 1] = symbols.len() as u8 - 1;
        segment(&mut out, 0xc4, &[&[class], counts.as_slice(), &symbols].concat());
    }
    segment(&mut out, 0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    out
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let [.., high, low] = (content.len() + 2).to_be_bytes();
    out.extend([0xff, marker, high, low]);
    out.extend(content);
}

/// The picture data, bit by bit.
struct Bits {
    out: Vec<u8>,
    hold: u32,
    held: u32,
}

impl Bits {
    fn block(&mut self, numbers: &[i32; 64], last: &mut i32) {
        // The first number is told as the difference from the block before.
        let difference = numbers[0] - *last;
        *last = numbers[0];
        let size = bit_length(difference);
        self.symbol(size, 5);
        self.number(difference, size);

        let mut zeros = 0;
        for &number in &numbers[1..] {
            if number == 0 {
                zeros += 1;
                continue;
            }
            while zeros >= 16 {
                self.symbol(1, 9);
                zeros -= 16;
            }
            let size = bit_length(number);
            // The place of the pair in `other_symbols`.
            self.symbol(2 + zeros * 10 + size - 1, 9);
            self.number(number, size);
            zeros = 0;
        }
        if zeros > 0 {
            self.symbol(0, 9);
        }
    }

    /// A Huffman code: `0` for the first symbol, else a one and the symbol's place behind the first.
    fn symbol(&mut self, place: u32, long: u32) {
        match place.checked_sub(1) {
            None => self.put(0, 1),
            Some(rest) => self.put(1 << (long - 1) | rest, long),
        }
    }

    /// Negative numbers are written as one less, without the sign.
    fn number(&mut self, number: i32, size: u32) {
        let bits = if number < 0 { number - 1 } else { number };
        self.put(bits as u32 & ((1 << size) - 1), size);
    }

    fn put(&mut self, bits: u32, count: u32) {
        self.hold = self.hold << count | bits;
        self.held += count;
        while self.held >= 8 {
            self.held -= 8;
            let byte = (self.hold >> self.held) as u8;
            self.out.push(byte);
            if byte == 0xff {
                // A zero says that this is no marker.
                self.out.push(0);
            }
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.put(0x7f, 7);
        self.out.extend([0xff, 0xd9]);
        self.out
    }
}

fn bit_length(number: i32) -> u32 {
    u32::BITS - number.unsigned_abs().leading_zeros()
}
