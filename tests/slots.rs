//! Inputs in slots: the same numbers as plain inputs, from memory that goes round and is never made anew.

mod engine;

use std::{
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use engine::{noise, open_gpu};
use stemwise::{
    Error,
    gpu::Device,
    kernel::StepValues,
    ops::{Mixdown, Multiply, Sum},
    tape::{Input, Parameters, Program, Session, Slot, Tape, Var},
    train::{TrainError, loader::Loader},
};

/// An odd number of samples, so that the last word is half full.
const LEN: usize = 4099;
const SHAPE: [usize; 3] = [1, 3, LEN];

/// `Σ weights · mixdown(samples)`: samples, weights and the sum.
fn graph() -> (Tape, [Var; 3]) {
    let mut tape = Tape::new();
    let samples = tape.pcm16("samples", SHAPE);
    let weights = tape.input("weights", [1, 1, LEN]);
    let mix = tape.push(Mixdown { first: 1, count: 2 }, &[samples]).unwrap();
    let weighted = tape.push(Multiply, &[mix, weights]).unwrap();
    let sum = tape.push(Sum, &[weighted]).unwrap();
    (tape, [samples, weights, sum])
}

/// The inputs of a step.
fn inputs(step: u32) -> (Vec<i16>, Vec<f32>) {
    let samples = noise(step, 3 * LEN);
    let samples = samples.iter().map(|x| (32767.0 * x) as i16);
    (samples.collect(), noise(1000 + step, LEN))
}

fn devices() -> [Device; 2] {
    [Device::Gpu(open_gpu()), Device::Cpu]
}

fn open(device: &Device) -> (Session, Program, [Var; 3]) {
    let (tape, vars) = graph();
    let mut session = Session::new(device, &Parameters::default()).unwrap();
    let program = session.compile(&tape, &[vars[2]]).unwrap();
    (session, program, vars)
}

/// The next slot that comes back: asking whether the device is idle lets it.
fn next(session: &Session, receiver: &Receiver<Slot>) -> Slot {
    let since = Instant::now();
    loop {
        if let Ok(slot) = receiver.try_recv() {
            return slot;
        }
        session.is_idle();
        assert!(since.elapsed() < Duration::from_secs(60), "no slot comes back");
    }
}

#[test]
fn a_slot_gives_what_plain_inputs_give() {
    for device in devices() {
        let (mut session, mut program, [samples_in, weights_in, sum]) = open(&device);
        let (sender, receiver) = channel();
        for _ in 0..2 {
            sender.send(session.slot(&program).unwrap()).unwrap();
        }
        let mut sums = Vec::new();
        for step in 0..20 {
            let (samples, weights) = inputs(step);
            let mut slot = next(&session, &receiver);
            // in two parts, at an odd place
            slot.write_pcm16(samples_in, 0, &samples[..LEN]).unwrap();
            slot.write_pcm16(samples_in, LEN, &samples[LEN..]).unwrap();
            slot.write(weights_in, 0, &weights).unwrap();
            let back = sender.clone();
            let done = move |slot| back.send(slot).unwrap();
            session
                .run_slot(&mut program, slot, &StepValues::default(), done)
                .unwrap();
            if step % 3 == 0 {
                sums.push((step, session.read(&mut program, sum).unwrap()));
            }
        }
        for (step, from_slot) in sums {
            let (samples, weights) = inputs(step);
            let plain = [Input::Pcm16(&samples), Input::Real(&weights)];
            session.run(&mut program, &plain, &StepValues::default()).unwrap();
            assert_eq!(
                session.read(&mut program, sum).unwrap(),
                from_slot,
                "{device}, step {step}"
            );
            assert!(from_slot[0] != 0.0);
        }
    }
}

#[test]
fn going_round_makes_nothing_new_and_everything_is_given_back() {
    let gpu = open_gpu();
    let device = Device::Gpu(gpu.clone());
    let (mut session, mut program, [_, _, sum]) = open(&device);
    let (sender, receiver) = channel();
    sender.send(session.slot(&program).unwrap()).unwrap();
    let mut after_one = None;
    for step in 0..200 {
        let slot = next(&session, &receiver);
        let back = sender.clone();
        session
            .run_slot(&mut program, slot, &StepValues::default(), move |slot| {
                back.send(slot).unwrap()
            })
            .unwrap();
        session.read(&mut program, sum).unwrap();
        let created = gpu.created();
        assert_eq!(*after_one.get_or_insert(created), created, "step {step}");
    }
    drop((session, program, sender, receiver));
    gpu.is_idle();
    assert_eq!(gpu.created().bytes, 0);
}

#[test]
fn what_does_not_fit_a_slot_is_refused() {
    for device in devices() {
        let (session, program, [samples, _, sum]) = open(&device);
        let mut slot = session.slot(&program).unwrap();
        assert!(slot.bytes() >= 2 * 3 * LEN + 4 * LEN);
        assert!(matches!(
            slot.write_pcm16(samples, 3 * LEN - 1, &[0; 2]),
            Err(Error::Length { .. })
        ));
        assert!(matches!(
            slot.write_pcm16(samples, usize::MAX, &[0; 2]),
            Err(Error::Length { .. })
        ));
        assert!(
            matches!(slot.write(samples, 0, &[0.0]), Err(Error::Tape(_))),
            "another format"
        );
        assert!(
            matches!(slot.write(sum, 0, &[0.0]), Err(Error::Tape(_))),
            "no such input"
        );
        assert!(slot.write_pcm16(samples, 3 * LEN - 1, &[7]).is_ok());

        let (mut other, mut foreign, _) = open(&device);
        let run = other.run_slot(&mut foreign, slot, &StepValues::default(), drop);
        assert!(matches!(run, Err(Error::Tape(_))), "another program's");
        let wrong = [Input::Real(&[0.0; 3 * LEN]), Input::Real(&[0.0; LEN])];
        assert!(matches!(
            other.run(&mut foreign, &wrong, &StepValues::default()),
            Err(Error::Tape(_))
        ));
    }
}

#[test]
fn samples_are_unpacked_before_anything_else() {
    let mut tape = Tape::new();
    let samples = tape.pcm16("samples", SHAPE);
    let error = tape.push(Sum, &[samples]).unwrap_err().to_string();
    assert!(error.contains("16-bit") && error.contains("samples"), "{error}");
    let floats = tape.input("floats", SHAPE);
    assert!(tape.push(Mixdown { first: 0, count: 3 }, &[floats]).is_err());
    assert!(tape.push(Mixdown { first: 1, count: 3 }, &[samples]).is_err());
    assert!(tape.push(Mixdown { first: 0, count: 0 }, &[samples]).is_err());
}

#[test]
fn a_lost_device_keeps_its_slots_and_says_so() {
    let gpu = open_gpu();
    let (mut session, mut program, [_, weights, _]) = open(&Device::Gpu(gpu.clone()));
    let mut slot = session.slot(&program).unwrap();
    gpu.simulate_loss();
    // a view of what was mapped before may still be had; what counts is that running says what happened
    let _ = slot.write(weights, 0, &[1.0]);
    let run = session.run_slot(&mut program, slot, &StepValues::default(), |_| {
        panic!("it never comes back")
    });
    assert!(matches!(run, Err(Error::DeviceLost { .. })));
    assert!(session.slot(&program).is_err() && session.check().is_err());
}

/// A loader whose one slot is on a device that is lost says so, instead of waiting for it for ever.
#[test]
fn a_loader_does_not_wait_for_a_lost_device() {
    let gpu = open_gpu();
    let (mut session, mut program, [_, weights, _]) = open(&Device::Gpu(gpu.clone()));
    let slots = vec![session.slot(&program).unwrap()];
    let fill = |_: u32, slot: &mut Slot| slot.write(weights, 0, &[1.0]).map_err(TrainError::from);
    thread::scope(|scope| {
        let mut loader = Loader::spawn(scope, slots, 2, 0..10, &fill);
        let slot = loader.next(&session).unwrap();
        session
            .run_slot(&mut program, slot, &StepValues::default(), loader.give_back())
            .unwrap();
        gpu.simulate_loss();
        // the slot may have come back before the loss, but not twice
        let lost = (0..2).find_map(|_| loader.next(&session).err());
        assert!(
            matches!(lost, Some(TrainError::Engine(Error::DeviceLost { .. }))),
            "{lost:?}"
        );
    });
}
