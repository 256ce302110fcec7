//! Where a loss that is not finite came from.

use super::{engine::Engine, validate::whole_batches};
use crate::{
    gpu::Device,
    kernel::StepValues,
    tape::{Flat, Session, Slot},
    train::{
        Checkpoint, TrainError,
        data::{Data, Writer},
        recipe::Precision,
    },
};

/// Goes back to a checkpoint, repeats the updates up to that which gave step `step`, of `steps` in all, and then runs
/// that one on the processor, looking at what every operation gives. `None` if all numbers are finite there.
pub(crate) fn in_training(
    engine: &mut Engine,
    data: &Data,
    last: &Checkpoint,
    step: u32,
    steps: u32,
) -> Result<Option<String>, TrainError> {
    last.restore(&mut engine.session)?;
    let (seed, training) = (engine.network.recipe.seed, engine.network.recipe.training);
    let rate = |update| last.state.schedule.rate(&training, update, steps);
    let (micro, update) = (engine.programs.micro, step.saturating_sub(1));
    let writer = Writer::new(&engine.network, &engine.programs.training.inputs, &data.sets);
    for update in last.state.step..update {
        for micro_step in micro.micro_steps(update) {
            let program = &mut engine.programs.training.program;
            let mut slot = engine.session.slot(program)?;
            writer.write(&data.examples(micro, micro_step)?, &mut slot)?;
            let values = engine.values(seed, micro_step, rate(update));
            let program = &mut engine.programs.training.program;
            engine.session.run_slot(program, slot, &values, |_: Slot| {})?;
        }
        engine.finish_update(seed, update, rate(update))?;
    }
    let mut session = on_the_processor(engine)?;
    let (mut loss, mut optimizer) = match engine.network.recipe.training.precision {
        Precision::F32 => engine
            .network
            .update_steps(&engine.adam, micro.examples, micro.count)?,
        // a gradient that overflows is nothing unusual: it is the loss that went wrong
        Precision::F16 => (engine.network.forward_step(micro.examples)?, None),
    };
    let writer = Writer::new(&engine.network, &loss.inputs, &data.sets);
    // every operation as it was recorded, so that the one that is named is the one
    loss.tape.fuse(false);
    optimizer.iter_mut().for_each(|tape| tape.fuse(false));
    let mut program = session.compile(&loss.tape, &[])?;
    let mut optimizer = optimizer.map(|tape| session.compile(&tape, &[])).transpose()?;
    for micro_step in micro.micro_steps(update) {
        let mut slot = session.slot(&program)?;
        writer.write(&data.examples(micro, micro_step)?, &mut slot)?;
        let values = engine.values(seed, micro_step, rate(update));
        if let Some(found) = session.find_not_finite(&mut program, Some(slot), &values)? {
            return Ok(Some(found));
        }
    }
    match &mut optimizer {
        Some(program) => {
            let values = engine.values(seed, micro.micro_steps(update).start, rate(update));
            Ok(session.find_not_finite(program, None, &values)?)
        }
        None => Ok(None),
    }
}

/// Runs the validation on the processor, with the network as it is. `None` if all numbers are finite there.
pub(crate) fn in_validation(engine: &mut Engine, data: &Data) -> Result<Option<String>, TrainError> {
    let mut session = on_the_processor(engine)?;
    let mut step = engine.network.evaluation_step(engine.programs.validated)?;
    step.tape.fuse(false);
    let mut program = session.compile(&step.tape, &[step.loss])?;
    let writer = Writer::new(&engine.network, &step.inputs, &data.sets);
    for examples in whole_batches(&data.validation, engine.programs.validated) {
        let mut slot = session.slot(&program)?;
        writer.write(&examples, &mut slot)?;
        if let Some(found) = session.find_not_finite(&mut program, Some(slot), &StepValues::default())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The engine's lasting values in a session of the CPU.
fn on_the_processor(engine: &mut Engine) -> Result<Session, TrainError> {
    let mut session = Session::new(&Device::Cpu, &engine.network.parameters)?;
    for flat in Flat::ALL {
        let values = engine.session.flat(flat)?;
        if values.len() == engine.network.parameters.flat_len(flat) {
            session.set_flat(flat, &values)?;
        }
    }
    Ok(session)
}
