//! Words of the text formats, for what is put into texts.

pub const BINARY: &[&str] = &[];
#[rustfmt::skip]
pub const YAML: &[&str] = &[
    "  ", "\n", "\t", ":", "- ", "- - ", "? ", "&a ", "*a", "<<: *a\n", "!!str ", "!!float ", "|\n", ">-\n",
    "{", "}", "[", "]", "'", "\"", "#", "---\n", "...\n", "%YAML 1.1\n", "null", "~", "None", "true", "yes",
    "\u{feff}", "\r\n", "stems:\n", "  S00:\n", "    program_num: 128\n", "    is_drum: true\n", "\\u0000",
    "../", "=",
];
#[rustfmt::skip]
pub const TOML: &[&str] = &[
    "\n", "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\"", "'''", "\"\"\"", "#", "[network]\n",
    "[training]\n", "[front_end]\n", "[data]\n", "[loss]\n", "[recipe]\n", "name = ", "model = ", "true",
    "inf", "-nan", "\\u0000", "1979-05-27T07:32:00Z", "0b1", "1_0", "x.", "frozen = [\"separator\"]\n",
    "instrument = \"bass\"\n", "\"direct\"", "\"cascade\"", "\"judgements\"", "\"targets\"", "\"knn\"",
    "\"f16\"",
];
#[rustfmt::skip]
pub const JSON: &[&str] = &[
    "{", "}", "[", "]", ":", ",", "\"", "\\", "\\ud800", "\\u0000", "null", "true", "\n", "\u{feff}",
    "\"a\":", "[[", "{\"a\":", "-", "1e400", "//",
];
#[rustfmt::skip]
pub const LOG: &[&str] = &[
    "{", "}", "[", "]", ":", ",", "\"", "\\ud800", "null", "\n", "{\"drop\":\"/nowhere/a.wav\"}\n",
    "{\"vectors\":\"vectors-1.f32\"}\n", "{\"entry\":", "\"row\":{\"row\":4294967295,\"check\":\"0\"}",
    "../", "vectors-18446744073709551615.f32", "[[",
];
#[rustfmt::skip]
pub const CSV: &[&str] = &[
    ",", "\"", "\"\"", "\n", "\r\n", "\r", ";", "\u{feff}", "NA", "A+", "B-", "set0/0/bass/", "X_1-2.wav",
    "samples/dummyX1.wav", "simulated", "/", "_", "-", "answer_total", "reference",
];
#[rustfmt::skip]
pub const LINES: &[&str] = &[
    "\n", "#", "/", "Track", "S00", "train/", "test/", "\r\n", "\u{feff}", "..", " ", "\t",
];
