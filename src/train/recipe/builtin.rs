//! The recipes and presets that the program knows by name.

/// What every recipe starts from.
pub(super) const DEFAULTS: &str = include_str!("../../../recipes/defaults.toml");

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../recipes/", $folder, $name, ".toml")))),*]
    };
}

/// Names and texts of the papers' recipes, each after those that it builds on, and of our [`OWN`].
pub const RECIPES: &[(&str, &str)] = files!["":
    "separator",
    "clean",
    "clean-paft",
    "cascade-normal",
    "cascade",
    "cascade-scratch",
    "cascade-ft",
    "cascade-extractor-paft",
    "cascade-ft-paft",
    "cascade-paft",
    "direct-pretraining",
    "direct",
    "direct-da",
    "direct-norm",
    "direct-reconst",
    "direct-paft",
    "direct-da-paft",
    "direct-reconst-paft",
    "h25-pretraining",
    "h25",
    "contrast",
];

/// The recipes that are none of the papers'.
pub const OWN: &[&str] = &["contrast"];

/// Names and texts of the presets, from the smallest up.
pub const PRESETS: &[(&str, &str)] = files!["presets/": "tiny", "small", "paper"];

/// The first comment of a recipe: what it is, on one line.
pub(super) fn describe(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix("# "));
    comment.collect::<Vec<_>>().join(" ")
}
