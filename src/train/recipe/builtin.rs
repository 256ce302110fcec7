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
    "separator-joint",
    "clean",
    "clean-paft",
    "cascade-normal",
    "cascade",
    "cascade-scratch",
    "cascade-ft",
    "cascade-ft-normal",
    "cascade-extractor-paft",
    "cascade-extractor-paft-normal",
    "cascade-ft-paft",
    "cascade-ft-paft-normal",
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
    "h25-c",
    "h25-d",
    "h25-e",
    "h25-f",
    "h25-g",
    "h25-h",
    "h25-no-norm-scratch",
    "h25-no-norm",
    "h25",
    "contrast",
];

/// The recipes that are no row of any paper's table.
pub const OWN: &[&str] = &[
    "separator-joint",
    "cascade-scratch",
    "direct-norm",
    "direct-paft",
    "contrast",
];

/// Names and texts of the presets, from the smallest up.
pub const PRESETS: &[(&str, &str)] = files!["presets/": "tiny", "hour", "small", "paper"];

/// The first comment of a recipe: what it is, on one line.
pub(super) fn describe(text: &str) -> String {
    let comment = text.lines().map_while(|line| line.strip_prefix("# "));
    comment.collect::<Vec<_>>().join(" ")
}
