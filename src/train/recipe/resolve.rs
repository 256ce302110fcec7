//! From names, files and single keys to a recipe with every setting spelled out.

use std::path::Path;

use toml::{Table, Value};

use super::{
    PRESETS, RECIPES, Recipe,
    builtin::{DEFAULTS, describe},
    keys::{addressed, assign, keys, misfit, nearest, no_toml, overlay},
};
use crate::{corpus::Instrument, files, train::TrainError};

/// What is laid over a recipe.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Name of a preset.
    pub preset: Option<String>,
    /// The instrument, for recipes of one.
    pub instrument: Option<Instrument>,
    /// Single settings, as `training.batch=16`; those of one recipe alone as `clean:training.batch=16`.
    pub set: Vec<String>,
}

impl Overrides {
    /// Single settings and nothing else, each as `training.batch=16`.
    pub fn set(assignments: &[impl ToString]) -> Self {
        Overrides {
            set: assignments.iter().map(ToString::to_string).collect(),
            ..Overrides::default()
        }
    }

    /// The same for an instrument.
    pub fn of(self, instrument: Option<Instrument>) -> Self {
        Overrides { instrument, ..self }
    }

    /// Refuses settings of single recipes that are none of `names`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] with the names that there are.
    pub fn check(&self, names: &[&str]) -> Result<(), TrainError> {
        let recipes = self.set.iter().filter_map(|assignment| addressed(assignment).0);
        match recipes.into_iter().find(|recipe| !names.contains(recipe)) {
            None => Ok(()),
            Some(recipe) => {
                let nearest = nearest(recipe, names.iter().copied());
                let names = names.join(", ");
                let message = format!("'{recipe}' is not trained here{nearest} What is trained: {names}");
                Err(TrainError::setting("--set", message))
            }
        }
    }
}

/// Resolves the recipe `name`, one of [`RECIPES`] or the path of a TOML file, with what is laid over it.
///
/// # Errors
/// [`TrainError::Recipe`] for a name that is neither, or a preset that does not exist; [`TrainError::Config`] for a
/// file that does not read, or has a key that does not exist; [`TrainError::Setting`] for a value that cannot be used.
pub fn resolve(name: &str, overrides: &Overrides) -> Result<Recipe, TrainError> {
    let (name, text) = read(name)?;
    let mut table = parse(DEFAULTS, "defaults.toml")?;
    let known = keys(&table);
    overlay(&mut table, parse(&text, &name)?, &known, &name)?;
    // a recipe that was printed says its name
    table.entry("name").or_insert(name.clone().into());
    let own_name = table
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_string();
    if let Some(preset) = &overrides.preset {
        let found = PRESETS.iter().find(|(name, _)| name == preset);
        let (name, text) = found.ok_or_else(|| unknown("preset", preset, PRESETS))?;
        let mut rate = 1.0;
        let mut preset = parse(text, name)?;
        let only = preset.remove("only");
        let task = table
            .get("task")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string();
        let own = |key: &str| only.as_ref()?.get(key)?.as_table().cloned();
        for mut part in [Some(preset), own(&task), own(&own_name)].into_iter().flatten() {
            rate = faster(&mut part).unwrap_or(rate);
            overlay(&mut table, part, &known, name)?;
        }
        // few steps take a higher rate, and fine-tuning still a lower one than training
        if let Some(Value::Float(own)) = table.get_mut("training").and_then(|t| t.get_mut("learning_rate")) {
            *own *= rate;
        }
    }
    for assignment in &overrides.set {
        let (recipe, assignment) = addressed(assignment);
        if recipe.is_none_or(|recipe| recipe == own_name) {
            assign(&mut table, assignment, &known)?;
        }
    }
    if let Some(instrument) = overrides.instrument {
        table.insert("instrument".into(), instrument.name().into());
    }
    let recipe: Recipe = table
        .try_into()
        .map_err(|error| TrainError::config(name.as_ref(), misfit(&error)))?;
    recipe.check()?;
    Ok(recipe)
}

impl Recipe {
    /// What a built-in recipe is, in a sentence; none for others.
    pub fn description(name: &str) -> Option<String> {
        let (_, text) = RECIPES.iter().find(|(recipe, _)| *recipe == name)?;
        Some(describe(text))
    }

    /// Changes single settings of a recipe, each as `training.batch=16` or `clean:training.batch=16`.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn with(&self, assignments: &[String]) -> Result<Self, TrainError> {
        let failed = |message: String| TrainError::setting("recipe", message);
        let mut table = Table::try_from(self).map_err(|error| failed(error.to_string()))?;
        let known = keys(&parse(DEFAULTS, "defaults.toml")?);
        Overrides::set(assignments).check(&[&self.name])?;
        for assignment in assignments {
            assign(&mut table, addressed(assignment).1, &known)?;
        }
        let recipe: Recipe = table
            .try_into()
            .map_err(|error: toml::de::Error| failed(misfit(&error)))?;
        recipe.check()?;
        Ok(recipe)
    }
}

/// The name and text of a built-in recipe or of a file.
fn read(name: &str) -> Result<(String, String), TrainError> {
    if let Some((name, text)) = RECIPES.iter().find(|(recipe, _)| *recipe == name) {
        return Ok((name.to_string(), text.to_string()));
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Err(unknown("recipe", name, RECIPES));
    }
    let text = files::read_to_string(path).map_err(TrainError::io("read", path))?;
    let stem = path
        .file_stem()
        .map_or(name.into(), |stem| stem.to_string_lossy());
    Ok((stem.into_owned(), text))
}

fn parse(text: &str, name: &str) -> Result<Table, TrainError> {
    text.parse()
        .map_err(|error| TrainError::config(name.as_ref(), no_toml(&error, text)))
}

/// Takes the factor of the learning rates out of a part of a preset.
fn faster(part: &mut Table) -> Option<f64> {
    match part.get_mut("training")?.as_table_mut()?.remove("rate")? {
        Value::Integer(rate) => Some(rate as f64),
        Value::Float(rate) => Some(rate),
        _ => None,
    }
}

fn unknown(what: &str, name: &str, known: &[(&str, &str)]) -> TrainError {
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let nearest = nearest(name, names.iter().copied());
    let names = names.join(", ");
    TrainError::recipe(format!("there is no {what} '{name}'{nearest} There are {names}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::train::recipe::{Best, Model, Part, Reconstruct, Task};

    fn set(assignments: &[&str]) -> Overrides {
        Overrides::set(assignments).of(Some(Instrument::Bass))
    }

    #[test]
    fn every_recipe_resolves_with_every_preset() {
        for (name, text) in RECIPES {
            for preset in PRESETS
                .iter()
                .map(|(name, _)| Some(name.to_string()))
                .chain([None])
            {
                let every = |instrument| Overrides {
                    preset: preset.clone(),
                    instrument,
                    ..set(&["data.judgements=a.csv"])
                };
                let of_one = resolve(name, &every(Some(Instrument::Bass)));
                let of_all = resolve(name, &every(None));
                assert!(of_one.is_ok() != of_all.is_ok(), "{name}: {of_one:?} {of_all:?}");
                let recipe = of_one.or(of_all).unwrap();
                assert_eq!(
                    (recipe.name.as_str(), recipe.instrument.is_some()),
                    (*name, recipe.model.of_one_instrument())
                );
                for parent in &recipe.from {
                    let before = RECIPES.iter().take_while(|(other, _)| other != name);
                    assert!(
                        before.into_iter().any(|(other, _)| other == parent),
                        "{name} from {parent}"
                    );
                }
            }
            assert!(describe(text).ends_with('.'), "{name}: {}", describe(text));
        }
    }

    #[test]
    fn the_papers_numbers_are_the_defaults() {
        let ft = resolve("cascade-ft", &set(&[])).unwrap();
        assert_eq!((ft.model, ft.task), (Model::Cascade, Task::Triplets));
        assert_eq!((ft.training.learning_rate, ft.training.batch), (1e-5, 64));
        assert_eq!((ft.loss.l1, ft.loss.triplet, ft.loss.margin), (1.0, 1.0, 0.2));
        assert!(!ft.freezes(Part::Separator));
        assert!(resolve("cascade", &set(&[])).unwrap().freezes(Part::Separator));
        let reconst = resolve("direct-reconst", &Overrides::default()).unwrap();
        assert_eq!(reconst.loss.reconstruct, Reconstruct::Condition);
        let validated = |recipe: &Recipe| (recipe.validation_samples(), recipe.training.best);
        let (of_3_s, of_10_s) = (132_300, 441_000);
        assert_eq!(validated(&reconst), (of_10_s, Best::Loss));
        let h25 = resolve("h25", &Overrides::default()).unwrap();
        assert_eq!(validated(&h25), (of_3_s, Best::KnnPseudo));
        // no more samples at a time than are trained on
        assert_eq!(
            (reconst.validation_examples(64), reconst.validation_examples(2)),
            (19, 1)
        );
        let norm = resolve("direct-norm", &Overrides::default()).unwrap();
        assert_eq!(
            (norm.training.batch, norm.loss.norm, norm.training.epoch),
            (32, 0.1, 5000)
        );
    }

    /// Runs of earlier versions go on as they began.
    #[test]
    fn what_a_file_does_not_say_is_as_it_was() {
        let recipe = resolve("direct-reconst", &Overrides::default()).unwrap();
        let printed = toml::to_string(&recipe).unwrap();
        let mut before = printed;
        for line in ["reconstruct = \"condition\"\n", "validation_seconds = 10.0\n"] {
            assert!(before.contains(line), "{before}");
            before = before.replace(line, "");
        }
        let before: Recipe = toml::from_str(&before).unwrap();
        assert_eq!(before.loss.reconstruct, Reconstruct::All);
        assert_eq!(before.validation_samples(), before.segment_samples());
    }

    #[test]
    fn single_settings_and_their_refusals() {
        let recipe = resolve(
            "clean",
            &set(&["training.batch=16", "network.width = 1", "network.last=activated"]),
        );
        let recipe = recipe.unwrap();
        assert_eq!((recipe.training.batch, recipe.network.width), (16, 1.0));
        let again = recipe.with(&["training.epochs=3".into()]).unwrap();
        assert_eq!((again.training.epochs, again.training.batch), (3, 16));
        let refused =
            |name: &str, assignments: &[&str]| resolve(name, &set(assignments)).unwrap_err().to_string();
        for (assignment, expected) in [
            ("training.bach=16", "did you mean 'training.batch'?"),
            ("learning_rate=1", "did you mean 'training.learning_rate'?"),
            ("xyzzy=1", "no setting 'xyzzy'"),
            ("training.batch=many", "batch"),
            ("training.batch=0", "training.batch"),
            ("network.last=wet", "'network.last' is 'wet', but may be"),
            ("training", "key=value"),
            ("training.micro_batch=7", "training.micro_batch"),
            ("training.best=knn-pseudo", "pseudo pieces are no others"),
            ("training.best=knn_pseudo", "may be loss, knn, knn-pseudo, last"),
            ("training.validation_seconds=0.001", "shorter than one window"),
            ("loss.reconstruct=condition", "only Direct's decoders"),
            ("training.epochs=-1", "from 0 to 4294967295, not -1"),
            ("training.epochs=99999999999", "not 99999999999"),
            ("training.epochs=99999999999999999999", "training.epochs"),
            ("training.epochs=1000000", "67108863"),
            ("training.epoch=100000000", "67108863"),
            ("seed=-1", "from 0 to 9223372036854775807"),
        ] {
            let message = refused("clean", &[assignment]);
            assert!(message.contains(expected), "{assignment}: {message}");
        }
        assert_eq!(
            resolve("clean", &set(&["seed=9223372036854775807"]))
                .unwrap()
                .seed,
            i64::MAX as u64
        );
        let long = refused("clean", &[&format!("{}=1", "long".repeat(100_000))]);
        assert!(long.len() < 300 && long.contains("longlong…"), "{long}");
        let of_one = set(&["clean:training.batch=3", "cascade:seed=7", "seed=1"]);
        let clean = resolve("clean", &of_one).unwrap();
        assert_eq!((clean.training.batch, clean.seed), (3, 1));
        assert_eq!(clean.with(&["clean:seed=5".into()]).unwrap().seed, 5);
        assert!(clean.with(&["claen:seed=5".into()]).is_err());
        assert!(of_one.check(&["clean", "cascade"]).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let printed = folder.path().join("my.toml");
        fs::write(
            &printed,
            toml::to_string(&resolve("clean", &set(&[])).unwrap()).unwrap(),
        )
        .unwrap();
        let mine = resolve(printed.to_str().unwrap(), &of_one).unwrap();
        assert_eq!((mine.name.as_str(), mine.training.batch), ("clean", 3));
        let message = of_one.check(&["clean", "cascade-ft"]).unwrap_err().to_string();
        assert!(message.contains("did you mean 'cascade-ft'?"), "{message}");

        let tiny = Overrides {
            preset: Some("tiny".into()),
            ..set(&[])
        };
        let rate = |name: &str| resolve(name, &tiny).unwrap().training.learning_rate;
        assert!(
            (rate("cascade") / 1.5e-3 - 1.0).abs() < 1e-6 && (rate("cascade-ft") / 3e-4 - 1.0).abs() < 1e-6
        );
        // what a preset says of one recipe, or of one task
        let epochs = |name: &str| resolve(name, &tiny).map(|recipe| recipe.training.epochs);
        assert_eq!((epochs("clean").unwrap(), epochs("cascade").unwrap()), (12, 24));
        assert!((rate("clean-paft") / 2e-4 - 1.0).abs() < 1e-6 && epochs("clean-paft").unwrap() == 4);
        assert!(refused("casacde", &[]).contains("did you mean 'cascade'?"));
        assert!(refused("nowhere.toml", &[]).contains("nowhere.toml"));
        let preset = Overrides {
            preset: Some("tny".into()),
            ..set(&[])
        };
        assert!(
            resolve("clean", &preset)
                .unwrap_err()
                .to_string()
                .contains("'tiny'")
        );
    }
}
