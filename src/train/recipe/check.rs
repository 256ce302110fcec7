//! Whether settings can be used, and go together.

use super::{Best, ErrorOf, Model, Part, Recipe, Reconstruct, Stems, Task};
use crate::{signal::Bands, tape::HISTORY_STEPS, train::TrainError};

/// The most updates of a run: their micro-batches are counted in 32 bits, as random numbers are.
const MOST_UPDATES: u32 = u32::MAX / HISTORY_STEPS as u32;

/// All updates of a run of `epochs` epochs, of `epoch` examples each.
///
/// # Errors
/// [`TrainError::Setting`] if they are too many to be counted.
pub(in crate::train) fn updates(epochs: u32, epoch: usize, batch: usize) -> Result<u32, TrainError> {
    let each = epoch.div_ceil(batch.max(1)).max(1) as u128;
    let all = each * u128::from(epochs);
    u32::try_from(all)
        .ok()
        .filter(|&all| all <= MOST_UPDATES)
        .ok_or_else(|| {
            let message =
                format!("{all} updates in all are more than the {MOST_UPDATES} that a run counts: use fewer");
            TrainError::setting("training.epochs × training.epoch / training.batch", message)
        })
}

impl Recipe {
    /// Checks that every setting can be used.
    ///
    /// # Errors
    /// [`TrainError::Setting`], naming the first that cannot.
    pub fn check(&self) -> Result<(), TrainError> {
        self.check_ranges()?;
        self.check_transform()?;
        self.check_model()?;
        self.check_own()?;
        self.check_loss()?;
        self.check_data()
    }

    fn check_ranges(&self) -> Result<(), TrainError> {
        let within = |setting, value: f64, least: f64, most: f64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(TrainError::setting(
                setting,
                format!("{value} is not from {least} to {most}"),
            )),
        };
        let Recipe {
            front_end,
            network,
            data,
            loss,
            training,
            ..
        } = self;
        within("network.width", network.width, 1e-3, 16.0)?;
        within("network.dimensions", network.dimensions as f64, 1.0, 65_536.0)?;
        within("network.dropout", network.dropout.into(), 0.0, 0.99)?;
        within("data.segment_seconds", data.segment_seconds, 1e-3, 600.0)?;
        within("data.set", data.set as f64, 1.0, 1e8)?;
        within("data.grid", data.grid, 0.0, 1.0)?;
        within("data.limit", data.limit as f64, 0.0, 1e9)?;
        within("data.pieces", data.pieces as f64, 2.0, 65_535.0)?;
        within("data.remix", data.remix, 0.0, 1.0)?;
        within("data.coherent", data.coherent, 0.0, 1.0)?;
        within("data.gain", data.gain.into(), 0.0, 40.0)?;
        within("loss.temperature", loss.temperature.into(), 1e-3, 1e3)?;
        within("loss.presence", loss.presence.into(), 0.0, 1e6)?;
        within("loss.margin", loss.margin.into(), 0.0, 1e6)?;
        within("loss.triplet", loss.triplet.into(), 0.0, 1e6)?;
        within("loss.l1", loss.l1.into(), 0.0, 1e6)?;
        within("loss.norm", loss.norm.into(), 0.0, 1e6)?;
        within(
            "front_end.sample_rate",
            front_end.sample_rate.into(),
            1.0,
            768_000.0,
        )?;
        within("front_end.mels", front_end.mels as f64, 1.0, 4096.0)?;
        within(
            "training.learning_rate",
            training.learning_rate.into(),
            1e-12,
            1.0,
        )?;
        within("training.batch", training.batch as f64, 1.0, 65_536.0)?;
        within("training.epochs", training.epochs.into(), 1.0, 1e6)?;
        let least = if self.task == Task::Judgements { 0.0 } else { 1.0 };
        within("training.epoch", training.epoch as f64, least, 1e8)?;
        within("training.validation", training.validation as f64, 1.0, 1e6)?;
        within(
            "training.validation_seconds",
            training.validation_seconds,
            0.0,
            600.0,
        )?;
        within("training.knn_seconds", training.knn_seconds, 0.1, 600.0)?;
        within("training.knn_segments", training.knn_segments as f64, 0.0, 1e6)?;
        updates(training.epochs, training.epoch, training.batch)?;
        let micro = training.micro_batch;
        if micro > 0 && !training.batch.is_multiple_of(micro) {
            let message = format!("{micro} does not divide the batch of {}", training.batch);
            return Err(TrainError::setting("training.micro_batch", message));
        }
        if micro > 0 && training.batch / micro > HISTORY_STEPS {
            let message = format!("a batch in more than {HISTORY_STEPS} parts: use larger ones");
            return Err(TrainError::setting("training.micro_batch", message));
        }
        if self.task == Task::Contrast && micro > 0 && micro < training.batch {
            let message = format!(
                "contrast compares each of the {} examples of a batch with all others, so a part of them would be \
                 another loss: leave it 0, and use a smaller training.batch where that does not fit",
                training.batch
            );
            return Err(TrainError::setting("training.micro_batch", message));
        }
        Ok(())
    }

    fn check_transform(&self) -> Result<(), TrainError> {
        // before a transform of that size is made
        let size = self.front_end.stft_size;
        if !size.is_power_of_two() || !(256..=8192).contains(&size) {
            let message = format!("{size} is not a power of two from 256 to 8192");
            return Err(TrainError::setting("front_end.stft_size", message));
        }
        self.front_end.stft()?;
        let lengths = [
            ("data.segment_seconds", self.data.segment_seconds),
            ("training.validation_seconds", self.training.validation_seconds),
            ("training.knn_seconds", self.training.knn_seconds),
        ];
        for (setting, seconds) in lengths {
            let unset = setting == "training.validation_seconds" && seconds == 0.0;
            if self.samples(seconds) < size && !unset {
                let message = format!("{seconds} s is shorter than one window of the transform");
                return Err(TrainError::setting(setting, message));
            }
        }
        Ok(())
    }

    fn check_model(&self) -> Result<(), TrainError> {
        let Recipe { model, task, .. } = self;
        if model.of_one_instrument() && self.instrument.is_none() {
            let message = "give --instrument drums, bass, piano, guitar or residuals";
            return Err(TrainError::setting("instrument", message));
        }
        if !model.of_one_instrument() && self.instrument.is_some() {
            let message = format!("'{}' describes all instruments at once: leave it out", self.name);
            return Err(TrainError::setting("instrument", message));
        }
        let parts = self.parts();
        let least = 1 << self.hashizume().channels.len();
        if *model == Model::Hashizume && self.front_end.mels < least {
            let message = format!("this network halves them five times: use {least} or more");
            return Err(TrainError::setting("front_end.mels", message));
        }
        if parts.iter().all(|&part| self.freezes(part)) {
            return Err(TrainError::setting("frozen", "nothing is left to train"));
        }
        if let Some(part) = self.frozen.iter().find(|part| !parts.contains(part)) {
            let message = format!("the model {model:?} has no part {part:?}");
            return Err(TrainError::setting("frozen", message));
        }
        let fits = match task {
            Task::Separation => matches!(model, Model::Separator | Model::JointSeparator),
            Task::Contrast => *model == Model::Contrast,
            // what is said of presence would be forgotten
            _ if *model == Model::Contrast => false,
            Task::Triplets | Task::Judgements => model.embeds(),
            Task::Targets => model.embeds() && !model.of_one_instrument(),
        };
        if !fits {
            let message = format!("the model {model:?} cannot learn from {task:?}");
            return Err(TrainError::setting("task", message));
        }
        Ok(())
    }

    /// The parts of its network.
    fn parts(&self) -> &'static [Part] {
        match self.model {
            Model::Separator | Model::JointSeparator => &[Part::Separator],
            Model::Extractor => &[Part::Extractor],
            Model::Cascade => &[Part::Separator, Part::Extractor],
            Model::Direct if self.network.decoders => &[Part::Encoder, Part::Decoders],
            Model::Direct | Model::Hashizume | Model::Contrast => &[Part::Encoder],
        }
    }

    /// What is for our own networks alone.
    fn check_own(&self) -> Result<(), TrainError> {
        let joint = self.model == Model::JointSeparator;
        if self.data.remix > 0.0 && !joint {
            let message =
                "only the separator of all instruments learns from stems of several pieces: leave it 0";
            return Err(TrainError::setting("data.remix", message));
        }
        if !joint && self.network.bands > 0 {
            let message = "only the separator of all instruments hears bands: leave it 0";
            return Err(TrainError::setting("network.bands", message));
        }
        if joint && self.network.bands > 0 {
            Bands::new(self.front_end.bins(), self.network.bands)
                .map_err(|error| TrainError::setting("network.bands", error.to_string()))?;
        }
        if !joint && self.loss.error != ErrorOf::Absolute {
            let message =
                "only the separator of all instruments minimises another error: leave it 'absolute'";
            return Err(TrainError::setting("loss.error", message));
        }
        if self.model != Model::Contrast && self.data.coherent > 0.0 {
            let message = "only contrast hears one stem among those of another piece: leave it 0";
            return Err(TrainError::setting("data.coherent", message));
        }
        Ok(())
    }

    fn check_loss(&self) -> Result<(), TrainError> {
        let Recipe {
            model, task, loss, ..
        } = self;
        let parts = self.parts();
        let reconstructs = parts.contains(&Part::Decoders) || *model == Model::Cascade;
        if loss.l1 > 0.0 && matches!(task, Task::Triplets | Task::Judgements) && !reconstructs {
            let message = "only a separator or decoders have an L1 loss: leave it 0";
            return Err(TrainError::setting("loss.l1", message));
        }
        if loss.reconstruct == Reconstruct::Condition && !parts.contains(&Part::Decoders) {
            let message = "only Direct's decoders reconstruct several stems: use \"all\"";
            return Err(TrainError::setting("loss.reconstruct", message));
        }
        if loss.norm > 0.0 && (model.of_one_instrument() || *task != Task::Triplets) {
            let message = "the norm loss is for triplets of all instruments: leave it 0";
            return Err(TrainError::setting("loss.norm", message));
        }
        let weighed = matches!(task, Task::Triplets | Task::Judgements);
        if weighed && loss.triplet + loss.l1 + loss.norm == 0.0 {
            return Err(TrainError::setting(
                "loss",
                "all weights are 0: nothing is learned",
            ));
        }
        if *task == Task::Contrast && (loss.presence == 0.0 || loss.l1 > 0.0) {
            let (setting, message) = match loss.presence == 0.0 {
                true => (
                    "loss.presence",
                    "the network says what sounds: use a number above 0",
                ),
                false => (
                    "loss.l1",
                    "only a separator or decoders have an L1 loss: leave it 0",
                ),
            };
            return Err(TrainError::setting(setting, message));
        }
        Ok(())
    }

    /// What is heard, and what the best checkpoint is chosen by.
    fn check_data(&self) -> Result<(), TrainError> {
        let Recipe { model, task, .. } = self;
        if *task == Task::Contrast && self.training.batch < 2 {
            let message = "contrast compares the examples of a batch: use 2 or more";
            return Err(TrainError::setting("training.batch", message));
        }
        if *task == Task::Judgements && *model == Model::Extractor && self.data.stems != Stems::Clean {
            let message = "Clean hears stems alone: use \"clean\"";
            return Err(TrainError::setting("data.stems", message));
        }
        let fixed = matches!(task, Task::Judgements | Task::Contrast);
        if self.training.validation_seconds > 0.0 && fixed {
            let message =
                "judged segments, and the batches of contrast, are validated on as they are: leave it 0";
            return Err(TrainError::setting("training.validation_seconds", message));
        }
        if self.training.best == Best::KnnPseudo && model.hears_stems() {
            let message =
                "Clean hears stems alone, for which pseudo pieces are no others: use \"knn\" or \"loss\"";
            return Err(TrainError::setting("training.best", message));
        }
        if self.training.best.asks_neighbours() && (!model.embeds() || self.training.knn_segments == 0) {
            let message = "there is no nearest-neighbour score: use \"loss\", or training.knn_segments";
            return Err(TrainError::setting("training.best", message));
        }
        Ok(())
    }
}
