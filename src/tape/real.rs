use std::{cell::RefCell, fmt::Debug, iter::Sum, thread::LocalKey};

use num_traits::{Float, NumAssign};
use rustfft::num_complex::Complex;

use super::{Cpu, op::ErasedOp};
use crate::signal::Fft;

/// The numbers that an operation's CPU implementation is generic over: f64 is the reference, f32 the `cpu`
/// device.
pub trait Real: Float + NumAssign + Sum + Default + Debug + Send + Sync + 'static {
    /// From a constant; exact for what f32 holds.
    fn of(value: f64) -> Self;

    /// The same number in f64; exact for f32 and f64.
    fn to_f64(self) -> f64;

    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the tape calls it")]
    fn run(op: &dyn ErasedOp, io: Cpu<'_, Self>);

    /// Calls `visit(k, Σ samples[n] exp(-2πi kn / len))` for `k` in `0..=len / 2`; `len` is even.
    #[doc(hidden)]
    fn spectrum(samples: &[Self], visit: impl FnMut(usize, Complex<Self>));

    /// The samples of which `bin(k)`, for `k` in `0..=len / 2`, is the spectrum.
    #[doc(hidden)]
    fn signal(samples: &mut [Self], bin: impl FnMut(usize) -> Complex<Self>);

    /// The same slice, if these are f32: for code that is written for the `cpu` device alone.
    #[doc(hidden)]
    fn as_f32(values: &[Self]) -> Option<&[f32]>;

    #[doc(hidden)]
    fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]>;

    #[doc(hidden)]
    fn scratch() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

macro_rules! real {
    ($type:ty, $run:ident, $scratch:ident, $ffts:ident, $single:expr, $single_mut:expr) => {
        thread_local! {
            static $scratch: RefCell<Vec<Vec<$type>>> = const { RefCell::new(Vec::new()) };
            // planning costs more than a transform: a thread keeps its plans
            static $ffts: RefCell<Vec<Fft<$type>>> = const { RefCell::new(Vec::new()) };
        }

        impl Real for $type {
            fn of(value: f64) -> Self {
                value as $type
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[expect(private_interfaces, reason = "only the tape calls it")]
            fn run(op: &dyn ErasedOp, io: Cpu<'_, Self>) {
                op.$run(io);
            }

            fn spectrum(samples: &[Self], mut visit: impl FnMut(usize, Complex<Self>)) {
                Fft::of(&$ffts, samples.len(), |fft| {
                    let bins = fft.forward(samples);
                    bins.iter().enumerate().for_each(|(k, &bin)| visit(k, bin));
                });
            }

            fn signal(samples: &mut [Self], bin: impl FnMut(usize) -> Complex<Self>) {
                Fft::of(&$ffts, samples.len(), |fft| fft.inverse(bin, samples));
            }

            fn as_f32(values: &[Self]) -> Option<&[f32]> {
                $single(values)
            }

            fn as_f32_mut(values: &mut [Self]) -> Option<&mut [f32]> {
                $single_mut(values)
            }

            fn scratch() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
                &$scratch
            }
        }
    };
}

real!(f32, cpu_f32, SCRATCH_F32, FFTS_F32, Some, Some);
real!(f64, cpu_f64, SCRATCH_F64, FFTS_F64, |_| None, |_| None);

/// Calls `body` with `len` numbers of working memory that this thread keeps from call to call, so that a
/// replay allocates nothing. Their values are whatever was left there.
pub fn with_scratch<T: Real, R>(len: usize, body: impl FnOnce(&mut [T]) -> R) -> R {
    // taken out while in use: a nested call, or a task that this thread steals meanwhile, takes another
    let mut buffer = T::scratch()
        .with(|pool| pool.borrow_mut().pop())
        .unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    let result = body(&mut buffer[..len]);
    T::scratch().with(|pool| pool.borrow_mut().push(buffer));
    result
}
