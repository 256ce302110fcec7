//! Files of weights: safetensors, which may come from anywhere. Nothing in them is believed before it was looked at.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{files, train::TrainError};

/// Bytes that say how long the header is.
const LENGTH: usize = size_of::<u64>();

/// Longer headers are refused.
const LONGEST_HEADER: u64 = 100 << 20;

const DAMAGED: &str = "it is damaged, cut short or not a safetensors file. Copy it again, or save the weights with \
                       safetensors.torch.save_file";

/// A file that was read, and whose tensors lie within it.
pub(super) struct Weights {
    path: PathBuf,
    bytes: Cow<'static, [u8]>,
}

impl Weights {
    /// Reads a file, if its header says that it is whole.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::Checkpoint`] for a file that is cut short or not a safetensors file.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let failed = || TrainError::io("read", path);
        let mut file = files::open(path).map_err(failed())?;
        let size = file.metadata().map_err(failed())?.len();
        let mut bytes = Vec::new();
        let whole = header(&mut file, size, &mut bytes).map_err(failed())?;
        if !whole {
            let message = match bytes.starts_with(b"PK") || bytes.starts_with(&[0x80]) {
                true => "it is PyTorch's own format: save the weights with safetensors.torch.save_file",
                false => DAMAGED,
            };
            return Err(TrainError::checkpoint(path, message));
        }
        let rest = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_sub(bytes.len());
        let memory = bytes.try_reserve_exact(rest);
        memory.map_err(|_| failed()(io::ErrorKind::OutOfMemory.into()))?;
        file.read_to_end(&mut bytes).map_err(failed())?;
        Self::of(path, bytes.into())
    }

    /// A file whose bytes are here already; `path` is what errors call it.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for what is not a safetensors file.
    pub fn of(path: &Path, bytes: Cow<'static, [u8]>) -> Result<Self, TrainError> {
        let path = path.to_path_buf();
        let weights = Weights { path, bytes };
        weights.tensors()?;
        Ok(weights)
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An error that names the file.
    pub fn refused(&self, message: impl Into<String>) -> TrainError {
        TrainError::checkpoint(&self.path, message)
    }

    /// Its tensors.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a damaged header.
    pub fn tensors(&self) -> Result<SafeTensors<'_>, TrainError> {
        SafeTensors::deserialize(&self.bytes).map_err(|_| self.refused(DAMAGED))
    }

    /// What its metadata hold under a key.
    pub fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).ok()?;
        header.metadata().as_ref()?.get(key).cloned()
    }

    /// The numbers of a tensor of [floats](is_float), in 32 bits.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a number that is not finite, or not in 32 bits; for other tensors.
    pub fn values(&self, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, TrainError> {
        let data = tensor.data();
        let wide: Vec<f32> = match tensor.dtype() {
            Dtype::F32 => of(data, f32::from_le_bytes),
            Dtype::F16 => of(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => of(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F64 => of(data, |bytes| f64::from_le_bytes(bytes) as f32),
            other => return Err(self.refused(format!("'{name}' is of {}", kind(other)))),
        };
        let Some(at) = wide.iter().position(|value| !value.is_finite()) else {
            return Ok(wide);
        };
        let before = match tensor.dtype() {
            Dtype::F64 => of(data, f64::from_le_bytes)[at],
            _ => f64::from(wide[at]),
        };
        let why = match before.is_finite() {
            true => "beyond what 32-bit floats hold",
            false => "which cannot be a weight",
        };
        Err(self.refused(format!("'{name}' holds {before}, {why}: export the weights anew")))
    }
}

fn of<T, const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|bytes| value(*bytes)).collect()
}

/// Reads the header; whether there is one, whose tensors end within the file.
fn header(file: &mut File, size: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
    file.by_ref().take(LENGTH as u64).read_to_end(bytes)?;
    let Some(len) = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
        return Ok(false);
    };
    if len > LONGEST_HEADER || len > size {
        return Ok(false);
    }
    file.by_ref().take(len).read_to_end(bytes)?;
    let data = size.saturating_sub(bytes.len() as u64);
    let header: Option<serde_json::Map<_, _>> = serde_json::from_slice(&bytes[LENGTH..]).ok();
    // so that no sum overflows
    let within = |tensor: &serde_json::Value| {
        let end = tensor
            .get("data_offsets")
            .and_then(|offsets| offsets.get(1)?.as_u64());
        end.is_none_or(|end| end <= data)
    };
    Ok(header.is_some_and(|tensors| tensors.values().all(within)))
}

/// Whether weights can be of these.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
}

/// A type of numbers, for messages.
pub(super) fn kind(dtype: Dtype) -> String {
    let kind = match dtype {
        Dtype::F32 => "32-bit floats",
        Dtype::F16 | Dtype::BF16 => "16-bit floats",
        Dtype::F64 => "64-bit floats",
        Dtype::BOOL => "truth values",
        Dtype::C64 => "complex numbers",
        Dtype::U8
        | Dtype::I8
        | Dtype::U16
        | Dtype::I16
        | Dtype::U32
        | Dtype::I32
        | Dtype::U64
        | Dtype::I64 => "whole numbers",
        _ => "floats of 8 bits or fewer",
    };
    format!("{kind} ({dtype:?})")
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, fs};

    use safetensors::View;

    use super::*;

    struct Given(Dtype, Vec<u8>);

    impl View for &Given {
        fn dtype(&self) -> Dtype {
            self.0
        }
        fn shape(&self) -> &[usize] {
            &[1]
        }
        fn data(&self) -> Cow<'_, [u8]> {
            (&self.1[..]).into()
        }
        fn data_len(&self) -> usize {
            self.1.len()
        }
    }

    /// The only number of a file, as it comes back.
    fn through(dtype: Dtype, bytes: &[u8]) -> Result<f32, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let given = Given(dtype, bytes.to_vec());
        fs::write(&path, safetensors::serialize([("w", &given)], None).unwrap()).unwrap();
        let weights = Weights::read(&path).unwrap();
        let tensors = weights.tensors().unwrap();
        let values = weights.values("w", &tensors.tensor("w").unwrap());
        values.map(|values| values[0]).map_err(|error| error.to_string())
    }

    #[test]
    fn floats_of_every_width_are_read() {
        for value in [-1.5f32, 0.0, 65_504.0, 2f32.powi(-14)] {
            let all = [
                (Dtype::F16, f16::from_f32(value).to_le_bytes().to_vec()),
                (Dtype::F32, value.to_le_bytes().to_vec()),
                (Dtype::F64, f64::from(value).to_le_bytes().to_vec()),
            ];
            for (dtype, bytes) in all {
                assert_eq!(through(dtype, &bytes), Ok(value), "{dtype:?}");
            }
        }
        assert_eq!(
            through(Dtype::BF16, &bf16::from_f32(3e38).to_le_bytes()),
            Ok(bf16::from_f32(3e38).to_f32())
        );
        assert_eq!(through(Dtype::F64, &1e-300f64.to_le_bytes()), Ok(0.0));
    }

    #[test]
    fn what_is_no_weight_is_named() {
        for (dtype, bytes, says) in [
            (
                Dtype::F64,
                1e300f64.to_le_bytes().to_vec(),
                "beyond what 32-bit floats hold",
            ),
            (Dtype::F64, f64::NAN.to_le_bytes().to_vec(), "NaN"),
            (Dtype::F16, f16::INFINITY.to_le_bytes().to_vec(), "inf"),
            (Dtype::BF16, bf16::NAN.to_le_bytes().to_vec(), "NaN"),
            (Dtype::I64, vec![0; 8], "whole numbers (I64)"),
            (Dtype::F8_E4M3, vec![0], "floats of 8 bits or fewer (F8_E4M3)"),
            (Dtype::BOOL, vec![1], "truth values (BOOL)"),
        ] {
            let error = through(dtype, &bytes).unwrap_err();
            assert!(
                error.contains("'w'") && error.contains(says),
                "{dtype:?}: {error}"
            );
        }
    }

    /// Lengths that cannot be added up, and files that end elsewhere than their header says.
    #[test]
    fn headers_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = |header: &str, data: usize| {
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header.as_bytes(), &vec![0; data]].concat()
        };
        let tensor = |name: &str, start: u64, len: u64| {
            let end = start.wrapping_add(len);
            format!(r#""{name}":{{"dtype":"U8","shape":[{len}],"data_offsets":[{start},{end}]}}"#)
        };
        let eighth = 1u64 << 60;
        let far: Vec<String> = (0..15)
            .map(|i| tensor(&i.to_string(), i * eighth, eighth))
            .collect();
        let files = [
            Vec::new(),
            vec![0; 7],
            u64::MAX.to_le_bytes().to_vec(),
            file("{", 0),
            file(&format!("{{{}}}", tensor("a", 0, 8)), 7),
            file(&format!("{{{}}}", tensor("a", 0, 8)), 9),
            file(&format!("{{{}}}", far.join(",")), 8),
            file(&format!("{{{}}}", tensor("a", 0, u64::MAX)), 8),
            b"PK\x03\x04 a zip archive".to_vec(),
        ];
        for (i, bytes) in files.iter().enumerate() {
            fs::write(&path, bytes).unwrap();
            let Err(TrainError::Checkpoint { message, .. }) = Weights::read(&path) else {
                panic!("file {i} is read");
            };
            assert!(message.contains("save the weights"), "{i}: {message}");
        }
        assert!(matches!(Weights::read(folder.path()), Err(TrainError::Io(_))));
    }
}
