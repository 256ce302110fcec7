//! Tensors that PyTorch wrote; see `tests/golden/README.md`.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors};
use stemwise::shape::Shape;

use super::widen;

/// One safetensors file, read whole.
pub struct Fixture {
    tensors: BTreeMap<String, (Shape, Vec<f32>)>,
    metadata: BTreeMap<String, serde_json::Value>,
}

impl Fixture {
    /// Reads `tests/golden/<name>.safetensors`.
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap_or_default();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        Fixture {
            tensors: tensors
                .iter()
                .map(|(name, view)| {
                    assert_eq!(view.dtype(), Dtype::F32, "{name}");
                    let values = view.data().chunks_exact(4);
                    let values = values
                        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                        .collect();
                    (name.to_string(), (Shape::try_from(view.shape()).unwrap(), values))
                })
                .collect(),
            metadata: metadata
                .into_iter()
                .map(|(k, v)| (k, serde_json::from_str(&v).unwrap()))
                .collect(),
        }
    }

    pub fn metadata(&self, key: &str) -> &serde_json::Value {
        &self.metadata[key]
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    fn get(&self, name: &str) -> &(Shape, Vec<f32>) {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no {name}"))
    }

    pub fn shape(&self, name: &str) -> Shape {
        self.get(name).0
    }

    /// As it goes into a device.
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.get(name).1.clone()
    }

    /// As it is compared with.
    pub fn truth(&self, name: &str) -> Vec<f64> {
        widen(&self.get(name).1)
    }
}
