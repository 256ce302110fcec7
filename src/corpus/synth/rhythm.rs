//! What the drummer plays: pattern families, ghost notes, fills.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    form::{Bar, DRUMS, Part, Song, Style},
    perform::{Performer, hits, pick},
};
use crate::corpus::write::Note;

/// General MIDI percussion keys.
pub(super) mod key {
    pub const KICK: u8 = 36;
    pub const STICK: u8 = 37;
    pub const SNARE: u8 = 38;
    pub const CLAP: u8 = 39;
    pub const FLOOR_TOM: u8 = 43;
    pub const MIDDLE_TOM: u8 = 47;
    pub const HIGH_TOM: u8 = 50;
    pub const CLOSED_HAT: u8 = 42;
    pub const OPEN_HAT: u8 = 46;
    pub const CRASH: u8 = 49;
    pub const RIDE: u8 = 51;
    pub const SHAKER: u8 = 70;
}

/// One bar in sixteenths; see [`hits`].
#[derive(Clone, Copy)]
struct Pattern {
    kick: &'static str,
    snare: &'static str,
    hat: &'static str,
}

const fn pattern(kick: &'static str, snare: &'static str, hat: &'static str) -> Pattern {
    Pattern { kick, snare, hat }
}

const ROCK: &[Pattern] = &[
    pattern("X.......X.x.....", "....X.......X...", "X.x.X.x.X.x.X.x."),
    pattern("X.....x.X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
    pattern("X..x....X.x....x", "....X..o....X...", "X.x.X.x.X.x.X.x."),
    pattern("X...x...X.x.....", "....X.......X..o", "X...X...X...X..."),
    pattern("X.x...x...x.....", "....X.......X...", "X.x.x.x.X.x.x.x."),
];
const POP: &[Pattern] = &[
    pattern("X.....x...x.....", "....X.......X...", "x.o.X.o.x.o.X.o."),
    pattern("X.......X.......", "....X.......X...", "xoxoXoxoxoxoXoxo"),
    pattern("X..x..x.....x...", "....X.......X...", "x.x.x.x.x.x.x.x."),
    pattern("X.....X...X.....", "....X.......X.o.", "xxxxXxxxxxxxXxxx"),
];
const FUNK: &[Pattern] = &[
    pattern("X.x...x...x..x..", "....X..o.o..X..o", "XoxoXoxoXoxoXoxo"),
    pattern("X..x..x..x......", "..o.X..o..o.X.o.", "xoxoxoxoxoxoxoxo"),
    pattern("X.....xx..x.x...", "....X..o.o.oX...", "X.xxX.xxX.xxX.xx"),
    pattern("X..X....x.X.....", ".o..X.o..o..X..o", "x.xxx.xxx.xxx.xx"),
];
const HOUSE: &[Pattern] = &[
    pattern("X...X...X...X...", "....X.......X...", "..X...X...X...X."),
    pattern("X...X...X...X..o", "....X.......X...", "x.Xxx.Xxx.Xxx.Xx"),
    pattern("X...X...X...X...", "....X..o....X...", "xoXoxoXoxoXoxoXo"),
];
const BALLAD: &[Pattern] = &[
    pattern("X.........x.....", "....x.......x...", "x.o.x.o.x.o.x.o."),
    pattern("X......xX.......", "....x.......x...", "x...x...x...x..."),
    pattern("X.........x..x..", "....x.......x..o", "xoooxoooxoooxooo"),
];
const SHUFFLE: &[Pattern] = &[
    pattern("X.......X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
    pattern("X.....x.X.....x.", "....X.o.....X.o.", "X...X.x.X...X.x."),
];
const HALF_TIME: &[Pattern] = &[
    pattern("X.....x.........", "........X.......", "X.x.X.x.X.x.X.x."),
    pattern("X..x......x.....", "........X.....o.", "X.xxX.xxX.xxX.xx"),
    pattern("X.........x..x..", "........X.......", "X...X...X...X..."),
];
const BOSSA: &[Pattern] = &[
    pattern("X.....xxX.....xx", "x.....x.....x...", "x.o.x.o.x.o.x.o."),
    pattern("X.....xxX.....xx", "..x..x....x..x..", "xoxoxoxoxoxoxoxo"),
];
const WALTZ: &[Pattern] = &[
    pattern("X...........", "....x...x...", "x.o.X.o.X.o."),
    pattern("X.........x.", "........X...", "X...X.x.X.x."),
];

/// Toms and snare of one beat's sixteenths: `s` snare, `h`, `m`, `f` toms.
const FILLS: &[&str] = &[
    "ssss", "hhmm", "s.ss", "mmff", "hmff", "s.s.", "hhff", "ssmf", "sshm", "..ss",
];

impl Style {
    fn patterns(self) -> &'static [Pattern] {
        match self {
            Style::Rock => ROCK,
            Style::Pop => POP,
            Style::Funk => FUNK,
            Style::House => HOUSE,
            Style::Ballad => BALLAD,
            Style::Shuffle => SHUFFLE,
            Style::HalfTime => HALF_TIME,
            Style::Bossa => BOSSA,
            Style::Waltz => WALTZ,
        }
    }
}

/// The kick's beats in the style's first pattern, for a bass that locks in with it.
pub(super) fn kick_of(song: &Song, choice: usize) -> &'static str {
    let patterns = song.style.patterns();
    patterns[choice % patterns.len()].kick
}

/// The drum part. `choice` is the verse pattern's number, shared with the bass.
pub(super) fn compose(song: &Song, choice: usize, rng: ChaCha8Rng) -> Vec<Note> {
    let mut player = Performer::new(song, rng);
    let patterns = song.style.patterns();
    let verse = patterns[choice % patterns.len()];
    let chorus = if player.rng.random_bool(0.6) {
        pick(&mut player.rng, patterns)
    } else {
        verse
    };
    let backbeat = match song.style {
        Style::Bossa => key::STICK,
        Style::House | Style::Pop if player.rng.random_bool(0.35) => key::CLAP,
        Style::Ballad if player.rng.random_bool(0.3) => key::STICK,
        _ => key::SNARE,
    };
    let cymbal = if player.rng.random_bool(0.45) {
        key::RIDE
    } else {
        key::CLOSED_HAT
    };
    let shaker = player.rng.random_bool(0.3);
    let opens = player.rng.random_bool(0.6);

    let bars: Vec<&Bar> = song.bars_of(DRUMS).collect();
    for bar in bars {
        if bar.part == Part::Ending {
            player.play(bar.start, 1.0, key::KICK, 0.95);
            player.play(bar.start, 2.0, key::CRASH, 0.9);
            continue;
        }
        let loud = bar.part == Part::Chorus;
        let kit = if loud { chorus } else { verse };
        let level = 0.55 + 0.45 * bar.intensity;
        let fill_from = fill_start(&mut player, bar);
        let fills = |beat: f64| fill_from.is_some_and(|from| beat >= from);

        if bar.index == 0 && (loud || player.rng.random_bool(0.5)) {
            player.play(bar.start, 2.0, key::CRASH, 0.85 * level);
        }
        for (beat, velocity) in hits(kit.kick, song.beats_in_bar()).filter(|(b, _)| !fills(*b)) {
            player.play(bar.start + beat, 0.25, key::KICK, velocity * level);
        }
        // A quiet bridge or intro leaves the ghost notes out.
        let quietest = if bar.intensity < 0.6 { 0.5 } else { 0.0 };
        for (beat, velocity) in
            hits(kit.snare, song.beats_in_bar()).filter(|(b, v)| !fills(*b) && *v > quietest)
        {
            let voice = if velocity < 0.5 { key::SNARE } else { backbeat };
            player.play(bar.start + beat, 0.25, voice, velocity * level);
        }
        let time = if loud { cymbal } else { key::CLOSED_HAT };
        let last = song.beats_in_bar() - 0.5;
        for (beat, velocity) in hits(kit.hat, song.beats_in_bar()).filter(|(b, _)| !fills(*b)) {
            let off_beat = song.style == Style::House && beat.fract() == 0.5;
            let opened = opens && (off_beat || (beat == last && bar.index % 2 == 1));
            let voice = if opened { key::OPEN_HAT } else { time };
            player.play(bar.start + beat, 0.25, voice, 0.8 * velocity * level);
        }
        if shaker {
            for (beat, velocity) in hits("xoXoxoXoxoXoxoXo", song.beats_in_bar()) {
                player.play(bar.start + beat, 0.2, key::SHAKER, 0.6 * velocity * level);
            }
        }
        if let Some(from) = fill_from {
            fill(&mut player, bar, from);
        }
    }
    player.finish()
}

/// The beat of the bar from which the drummer fills, if she does.
fn fill_start(player: &mut Performer, bar: &Bar) -> Option<f64> {
    let likely = if bar.closes {
        0.85
    } else if bar.index % 4 == 3 {
        0.35
    } else {
        0.0
    };
    let long = if bar.closes {
        pick(&mut player.rng, &[1.0, 2.0, 2.0])
    } else {
        1.0
    };
    player
        .rng
        .random_bool(likely)
        .then(|| player.song.beats_in_bar() - long)
}

/// Plays a fill from beat `from` to the bar's end, getting louder.
fn fill(player: &mut Performer, bar: &Bar, from: f64) {
    let end = player.song.beats_in_bar();
    let mut beat = from;
    while beat < end {
        for (i, voice) in pick(&mut player.rng, FILLS).bytes().enumerate() {
            let voice = match voice {
                b's' => key::SNARE,
                b'h' => key::HIGH_TOM,
                b'm' => key::MIDDLE_TOM,
                b'f' => key::FLOOR_TOM,
                _ => continue,
            };
            let at = beat + i as f64 / 4.0;
            let rise = ((at - from) / (end - from)) as f32;
            player.play(
                bar.start + at,
                0.25,
                voice,
                (0.6 + 0.3 * rise) * (0.6 + 0.4 * bar.intensity),
            );
        }
        player.play(bar.start + beat, 0.25, key::KICK, 0.65);
        beat += 1.0;
    }
}
