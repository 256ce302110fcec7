//! Input number so and so of a parser: a pure function of the parser's name and seeds, and the number.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::shapes;

/// Inputs are no longer than this.
const LONGEST: usize = 1 << 18;
/// Whole numbers at which programs go wrong.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    32,
    64,
    127,
    128,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
];
/// The same as texts.
const TEXTS: [&str; 24] = [
    "0",
    "-1",
    "1",
    "-0.0",
    "0.1",
    "3",
    "127",
    "128",
    "255",
    "1e9",
    "1e308",
    "1e999",
    "1e-999",
    "nan",
    "inf",
    "null",
    "",
    "4294967295",
    "2147483648",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "0x7fffffff",
];

/// Where an input's changes are drawn from.
pub struct Source<'a> {
    random: ChaCha8Rng,
    seeds: &'a [Vec<u8>],
    tokens: &'a [&'a str],
}

impl Source<'_> {
    /// A number below `count`, 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        if count == 0 {
            0
        } else {
            self.random.random_range(0..count)
        }
    }

    /// True once in so many times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// A place from 0 to `len`: half of them near the front, where headers are.
    fn place(&mut self, len: usize) -> usize {
        let near = self.random.random::<f64>();
        let near = if self.one_in(2) { near } else { near.powi(4) };
        (near * (len + 1) as f64) as usize
    }

    /// A length, mostly short.
    fn length(&mut self, most: usize) -> usize {
        let bits = self.below(17);
        (1 + self.below(1 << bits)).min(most)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.random.random()).collect()
    }

    /// A part of `bytes`.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.place(bytes.len());
        start..start + self.length(bytes.len() - start)
    }
}

/// Input number `index`: the seeds come first, as they are.
pub fn input(name: &str, seeds: &[Vec<u8>], tokens: &[&str], index: u64) -> Vec<u8> {
    if let Some(seed) = usize::try_from(index).ok().and_then(|index| seeds.get(index)) {
        return seed.clone();
    }
    let key = blake3::hash(format!("{name} {index}").as_bytes());
    let random = ChaCha8Rng::from_seed(key.into());
    let mut source = Source {
        random,
        seeds,
        tokens,
    };
    let mut bytes = seeds[source.below(seeds.len())].clone();
    // mostly one change: what is refused for the first says nothing about the second
    let changes = 1 + [0, 0, 0, 1, 1, 2, 4, 16][source.below(8)];
    for _ in 0..changes {
        if source.one_in(2) && shapes::edit(&mut bytes, &mut source) {
            continue;
        }
        match tokens.is_empty() || source.one_in(4) {
            true => edit_bytes(&mut bytes, &mut source),
            false => edit_text(&mut bytes, &mut source),
        }
    }
    bytes.truncate(LONGEST);
    if !source.one_in(4) {
        shapes::mend(&mut bytes);
    }
    bytes
}

/// One change of the kind that disks and bad writers make.
pub fn edit_bytes(bytes: &mut Vec<u8>, source: &mut Source) {
    let at = source.place(bytes.len());
    match source.below(12) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << source.below(8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = source.random.random();
            }
        }
        3..=6 => set_number(bytes, at, source),
        7 => bytes.truncate(at),
        8 => {
            let part = source.part(bytes);
            bytes.drain(part);
        }
        9 => {
            let part = source.part(bytes);
            let again = bytes[part].to_vec();
            bytes.splice(at..at, again);
        }
        10 => {
            let count = source.length(64);
            let new = source.bytes(count);
            let end = if source.one_in(2) {
                at
            } else {
                (at + count).min(bytes.len())
            };
            bytes.splice(at..end, new);
        }
        _ => splice(bytes, at, source),
    }
}

/// Puts a part of some seed over or between, or all of its rest.
fn splice(bytes: &mut Vec<u8>, at: usize, source: &mut Source) {
    let other = &source.seeds[source.below(source.seeds.len())];
    let part = source.part(other);
    match source.below(3) {
        0 => {
            bytes.truncate(at);
            bytes.extend(&other[part.start..]);
        }
        1 => {
            bytes.splice(at..at, other[part].iter().copied());
        }
        _ => {
            let end = (at + part.len()).min(bytes.len());
            bytes.splice(at..end, other[part].iter().copied());
        }
    }
}

/// Makes one, two, four or eight bytes, in either order, a number of note, the length of the rest, or a little more or
/// less than they were.
fn set_number(bytes: &mut [u8], at: usize, source: &mut Source) {
    let width = [1, 2, 4, 4, 8][source.below(5)];
    let left = bytes.len().saturating_sub(at) as u64;
    let Some(place) = bytes.get_mut(at..at + width) else {
        return;
    };
    let little = source.one_in(2);
    if !little {
        place.reverse();
    }
    let mut number = [0; 8];
    number[..width].copy_from_slice(place);
    let old = u64::from_le_bytes(number);
    let small = 1 + source.below(16) as u64;
    let new = match source.below(8) {
        0 => old.wrapping_add(small),
        1 => old.wrapping_sub(small),
        2 => old.wrapping_mul(small),
        3 => left.wrapping_add(small).wrapping_sub(8),
        4 => NUMBERS[source.below(NUMBERS.len())].wrapping_neg(),
        _ => NUMBERS[source.below(NUMBERS.len())],
    };
    place.copy_from_slice(&new.to_le_bytes()[..width]);
    if !little {
        place.reverse();
    }
}

/// One change of the kind that people and programs make to texts.
fn edit_text(bytes: &mut Vec<u8>, source: &mut Source) {
    match source.below(8) {
        0 | 1 => {
            let at = source.place(bytes.len());
            let token = source.tokens[source.below(source.tokens.len())].as_bytes();
            // deep nesting, now and then
            let times = if source.one_in(8) {
                source.length(1 << 15)
            } else {
                1
            };
            bytes.splice(at..at, token.repeat(times));
        }
        2..=4 => set_text(bytes, source),
        5 => edit_lines(bytes, source, |lines, a, _| {
            lines.remove(a);
        }),
        6 => edit_lines(bytes, source, |lines, a, b| lines.swap(a, b)),
        _ => edit_lines(bytes, source, |lines, a, b| lines.insert(b, lines[a])),
    }
}

fn edit_lines(bytes: &mut Vec<u8>, source: &mut Source, edit: impl FnOnce(&mut Vec<&[u8]>, usize, usize)) {
    // a file of one line is one of fields
    let end = if bytes.iter().filter(|&&byte| byte == b'\n').count() > 1 {
        b'\n'
    } else {
        b','
    };
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == end).collect();
    if lines.is_empty() {
        return;
    }
    let (a, b) = (source.below(lines.len()), source.below(lines.len()));
    edit(&mut lines, a, b);
    *bytes = lines.concat();
}

/// Makes a word or number another: a number of note, a word of the format, or one from elsewhere in the file.
fn set_text(bytes: &mut Vec<u8>, source: &mut Source) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(byte);
    let word = |bytes: &[u8], at: usize| {
        let start = at + bytes[at..].iter().position(is_word)?;
        let len = bytes[start..].iter().position(|byte| !is_word(byte));
        Some(start..len.map_or(bytes.len(), |len| start + len))
    };
    let (at, other) = (source.place(bytes.len()), source.place(bytes.len()));
    let Some(old) = word(bytes, at) else { return };
    let new = match source.below(4) {
        0 => source.tokens[source.below(source.tokens.len())]
            .as_bytes()
            .to_vec(),
        1 => word(bytes, other).map_or(Vec::new(), |word| bytes[word].to_vec()),
        _ => TEXTS[source.below(TEXTS.len())].as_bytes().to_vec(),
    };
    bytes.splice(old, new);
}
