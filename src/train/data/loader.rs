//! Batches, filled by worker threads into slots that go round while the device works.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::Scope,
    time::{Duration, Instant},
};

use crate::{
    tape::{Program, Session, Slot},
    train::TrainError,
};

/// How often a loader that has nothing to give looks whether the device has run dry.
const POLL: Duration = Duration::from_millis(1);

/// Slots beyond these would wait for the device, not the device for them.
const MOST_SLOTS: u64 = 4;

/// How many slots of `bytes` bytes fit `budget`: at least one.
pub(crate) fn slots_that_fit(bytes: u64, budget: u64) -> u64 {
    (budget / bytes.max(1)).clamp(1, MOST_SLOTS)
}

/// Writes the inputs of a step into a slot: a pure function of the step, so that any worker may do it at any time.
pub type Fill<'a> = dyn Fn(u32, &mut Slot) -> Result<(), TrainError> + Sync + 'a;

/// Gives the batches of a range of steps in order, prepared ahead by several threads, in the memory of a few slots.
pub struct Loader {
    filled: Receiver<(u32, Result<Slot, TrainError>)>,
    /// Filled before their turn.
    early: BTreeMap<u32, Result<Slot, TrainError>>,
    /// The way back of the slots. Workers end when the loader drops it.
    free: Arc<Sender<Slot>>,
    first: u32,
    next: u32,
    waited: Duration,
}

/// What workers take their work from.
struct Work {
    free: Receiver<Slot>,
    steps: Range<u32>,
}

impl Loader {
    /// As many slots of a program as fit `budget` bytes, at least one and at most four.
    ///
    /// # Errors
    /// What allocating on the device gives.
    pub fn slots(session: &Session, program: &Program, budget: u64) -> Result<Vec<Slot>, TrainError> {
        let first = session.slot(program)?;
        let more = slots_that_fit(first.bytes() as u64, budget) - 1;
        let mut slots = vec![first];
        for _ in 0..more {
            slots.push(session.slot(program)?);
        }
        Ok(slots)
    }

    /// Starts `workers` threads that fill the batches of `steps`. They end with the steps, at the first error, or when
    /// the loader is dropped.
    pub fn spawn<'scope>(
        scope: &'scope Scope<'scope, '_>,
        slots: Vec<Slot>,
        workers: usize,
        steps: Range<u32>,
        fill: &'scope Fill<'scope>,
    ) -> Self {
        let (first, (free, empty), (filler, filled)) = (steps.start, channel(), channel());
        for slot in slots {
            // the receiver is alive: it is moved into the work below
            let _ = free.send(slot);
        }
        let work = Arc::new(Mutex::new(Work { free: empty, steps }));
        for _ in 0..workers.max(1) {
            let (work, filler) = (work.clone(), filler.clone());
            scope.spawn(move || {
                while let Some((step, mut slot)) = take(&work) {
                    let result = catch_unwind(AssertUnwindSafe(|| fill(step, &mut slot)));
                    let result = result.unwrap_or(Err(TrainError::Worker)).map(|()| slot);
                    let failed = result.is_err();
                    if filler.send((step, result)).is_err() || failed {
                        break;
                    }
                }
            });
        }
        Loader {
            filled,
            early: BTreeMap::new(),
            free: Arc::new(free),
            first,
            next: first,
            waited: Duration::ZERO,
        }
    }

    /// The next step's batch.
    ///
    /// # Errors
    /// What filling it gave; a fault of the device; [`TrainError::Worker`] past the last step.
    pub fn next(&mut self, session: &Session) -> Result<Slot, TrainError> {
        let step = self.next;
        let mut dry: Option<Instant> = None;
        let slot = loop {
            while let Ok((step, slot)) = self.filled.try_recv() {
                self.early.insert(step, slot);
            }
            if let Some(slot) = self.early.remove(&step) {
                break slot?;
            }
            session.check()?;
            if dry.is_none() && session.is_idle() {
                dry = Some(Instant::now());
            }
            match self.filled.recv_timeout(POLL) {
                Ok((step, slot)) => drop(self.early.insert(step, slot)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(TrainError::Worker),
            }
        };
        // before the first batch there is nothing that could be done meanwhile
        if let Some(since) = dry.filter(|_| step > self.first) {
            self.waited += since.elapsed();
        }
        self.next += 1;
        Ok(slot)
    }

    /// Takes a slot back, from any thread and also after the loader is gone.
    pub fn give_back(&self) -> impl FnOnce(Slot) + Send + 'static {
        let free = Arc::downgrade(&self.free);
        move |slot| {
            if let Some(free) = free.upgrade() {
                // without workers there is nobody to fill it
                let _ = free.send(slot);
            }
        }
    }

    /// How long the device had nothing to do because a batch was not ready, the first one not counted.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// The next step, and a slot for it: taken together, so that slots go to steps in order and the step that is waited
/// for always has one.
fn take(work: &Mutex<Work>) -> Option<(u32, Slot)> {
    let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
    if work.steps.is_empty() {
        return None;
    }
    let slot = work.free.recv().ok()?;
    Some((work.steps.next()?, slot))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;
    use crate::{
        gpu::Device,
        kernel::StepValues,
        ops::{Mixdown, Sum},
        tape::{Parameters, Tape, Var},
    };

    fn program() -> (Session, Program, [Var; 2]) {
        let mut tape = Tape::new();
        let samples = tape.pcm16("samples", [1, 1, 4]);
        let mix = tape.push(Mixdown { first: 0, count: 1 }, &[samples]).unwrap();
        let sum = tape.push(Sum, &[mix]).unwrap();
        let mut session = Session::new(&Device::Cpu, &Parameters::default()).unwrap();
        let program = session.compile(&tape, &[sum]).unwrap();
        (session, program, [samples, sum])
    }

    #[test]
    fn batches_come_in_order_whoever_is_first() {
        for (slots, workers) in [(1, 1), (1, 4), (3, 2), (4, 4)] {
            let (mut session, mut program, [samples, sum]) = program();
            let memory = (0..slots).map(|_| session.slot(&program).unwrap()).collect();
            let fill = |step: u32, slot: &mut Slot| {
                // odd steps are slow
                thread::sleep(Duration::from_millis(u64::from(step % 2)));
                slot.write_pcm16(samples, 0, &[step as i16; 4])
                    .map_err(TrainError::from)
            };
            thread::scope(|scope| {
                let mut loader = Loader::spawn(scope, memory, workers, 5..60, &fill);
                for step in 5..60 {
                    let slot = loader.next(&session).unwrap();
                    session
                        .run_slot(&mut program, slot, &StepValues::default(), loader.give_back())
                        .unwrap();
                    let value = session.read(&mut program, sum).unwrap()[0];
                    assert_eq!(value, 4.0 * step as f32 / 32768.0);
                }
                assert!(matches!(loader.next(&session), Err(TrainError::Worker)));
            });
        }
    }

    #[test]
    fn an_error_or_a_panic_arrives_and_nobody_hangs() {
        let (session, program, _) = program();
        for panics in [false, true] {
            let memory = vec![session.slot(&program).unwrap()];
            let fill = |step: u32, _: &mut Slot| match step {
                0 => Ok(()),
                _ if panics => panic!("on purpose"),
                _ => Err(TrainError::setting("step", "refused")),
            };
            thread::scope(|scope| {
                let mut loader = Loader::spawn(scope, memory, 3, 0..100, &fill);
                let slot = loader.next(&session).unwrap();
                loader.give_back()(slot);
                let error = loader.next(&session).unwrap_err();
                assert_eq!(matches!(error, TrainError::Worker), panics, "{error}");
            });
        }
    }

    #[test]
    fn a_dropped_loader_ends_its_workers_and_never_runs_ahead_of_its_slots() {
        let (session, program, _) = program();
        let filled = AtomicU32::new(0);
        let fill = |_: u32, _: &mut Slot| {
            filled.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let memory = vec![session.slot(&program).unwrap(), session.slot(&program).unwrap()];
        thread::scope(|scope| {
            let mut loader = Loader::spawn(scope, memory, 2, 0..1000, &fill);
            let _kept = loader.next(&session).unwrap();
            let late = loader.give_back();
            thread::sleep(Duration::from_millis(20));
            drop(loader);
            late(session.slot(&program).unwrap());
        });
        assert!(filled.into_inner() <= 2, "two slots hold two batches");
    }

    #[test]
    fn slow_batches_are_waited_for_and_ready_ones_are_not() {
        let (session, program, _) = program();
        let memory = || (0..3).map(|_| session.slot(&program).unwrap()).collect();
        let waited = |fill: &Fill<'_>, work: Duration| {
            thread::scope(|scope| {
                let mut loader = Loader::spawn(scope, memory(), 1, 0..12, fill);
                for _ in 0..12 {
                    let slot = loader.next(&session).unwrap();
                    thread::sleep(work);
                    loader.give_back()(slot);
                }
                loader.waited()
            })
        };
        let slow = |_: u32, _: &mut Slot| {
            thread::sleep(Duration::from_millis(20));
            Ok(())
        };
        let slow = waited(&slow, Duration::ZERO);
        assert!(slow >= Duration::from_millis(11 * 15), "{slow:?}");
        // generous: a busy machine may stall a worker
        let ready = waited(&|_, _| Ok(()), Duration::from_millis(40));
        assert!(ready < slow / 2, "{ready:?} of {slow:?}");
    }
}
