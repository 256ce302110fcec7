//! Kernels on tensors that are kept in 16-bit floats: a rewriting of expanded WGSL. A kernel is written once, for 32
//! bits; what it reads is widened, what it writes is rounded, and all that lies between stays in 32 bits.

use crate::error::{Error, Result};

/// The shader with those bindings of group 0 in 16 bits whose bits are set in `bindings`. They may only be read and
/// assigned to as `name[index]`; the rest does not compile.
///
/// # Errors
/// [`Error::Shader`] for a binding of other elements than f32.
pub(crate) fn narrow(name: &str, source: &str, bindings: u32) -> Result<String> {
    if bindings == 0 {
        return Ok(source.to_string());
    }
    // comments speak of tensors, too
    let lines = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let mut code = lines.collect::<Vec<_>>().join("\n");
    let mut tensors = Vec::new();
    for binding in (0..u32::BITS).filter(|bit| bindings >> bit & 1 == 1) {
        let (at, tensor) = Tensor::find(&code, binding).ok_or_else(|| Error::Shader {
            shader: format!("{name}.wgsl"),
            message: format!("binding {binding} is no array of 32-bit floats"),
        })?;
        code.replace_range(at..at + tensor.wide.len(), &tensor.half);
        tensors.push(tensor);
    }
    Ok(format!("enable f16;\n{}\n", rewrite(&code, &tensors)))
}

struct Tensor {
    name: String,
    /// Its elements as the shader names them, and what they are in half the width.
    wide: String,
    half: String,
}

impl Tensor {
    /// A binding, and where its declaration names its elements.
    fn find(code: &str, binding: u32) -> Option<(usize, Self)> {
        let start = code.find(&format!("@group(0) @binding({binding}) var<storage"))?;
        let declaration = &code[start..start + code[start..].find(';')?];
        let (head, array) = declaration.split_once(": array<")?;
        let (_, name) = head.rsplit_once("> ")?;
        let wide = array.strip_suffix('>')?;
        let meant = match code.split_once(&format!("alias {wide} = ")) {
            Some((_, rest)) => rest.split_once(';')?.0,
            None => wide,
        };
        let tensor = Tensor {
            name: name.to_string(),
            wide: wide.to_string(),
            half: meant.replace("f32", "f16"),
        };
        (tensor.half != meant).then_some((start + head.len() + ": array<".len(), tensor))
    }
}

/// The code with every reading of these tensors widened, and what is assigned to them rounded.
fn rewrite(code: &str, tensors: &[Tensor]) -> String {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(code.len() + code.len() / 8);
    let mut rest = code;
    while let Some(start) = rest.find(in_name) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let (word, after) = rest.split_at(rest.find(|c| !in_name(c)).unwrap_or(rest.len()));
        rest = after;
        // after a dot it names a component
        let tensor = tensors
            .iter()
            .find(|tensor| tensor.name == word && !out.ends_with('.'));
        let (Some(Tensor { wide, half, .. }), Some(end)) = (tensor, bracketed(after)) else {
            out.push_str(word);
            continue;
        };
        let element = format!("{word}{}", rewrite(&after[..end], tensors));
        rest = &after[end..];
        match rest.trim_start().strip_prefix('=') {
            Some(assigned) if !assigned.starts_with('=') => {
                let (value, after) = assigned.split_at(assigned.find(';').unwrap_or(assigned.len()));
                out.push_str(&format!("{element} = {half}({})", rewrite(value.trim(), tensors)));
                rest = after;
            }
            _ => out.push_str(&format!("{wide}({element})")),
        }
    }
    out + rest
}

/// The length of the `[…]` that the code begins with.
fn bracketed(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then_some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
alias Elements = vec4<f32>;
@group(0) @binding(0) var<storage, read> x: array<Elements>; // x[i] = 1
@group(0) @binding(1) var<storage, read> xs: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f32>>;
fn main() {
    if xs[0] == x[u32(xs[1])].y {
        out[i] = vec2<f32>(x[a[i.x]].x, xs[i]); // out[i] = 0
    }
}";

    #[test]
    fn what_is_read_is_widened_and_what_is_assigned_is_rounded() {
        let got = narrow("test", SOURCE, 0b101).unwrap();
        let want = "\
enable f16;
alias Elements = vec4<f32>;
@group(0) @binding(0) var<storage, read> x: array<vec4<f16>>; 
@group(0) @binding(1) var<storage, read> xs: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<f16>>;
fn main() {
    if xs[0] == Elements(x[u32(xs[1])]).y {
        out[i] = vec2<f16>(vec2<f32>(Elements(x[a[i.x]]).x, xs[i])); 
    }
}
";
        assert_eq!(got, want);
        let got = narrow("test", SOURCE, 0b010).unwrap();
        assert!(got.contains("if f32(xs[0]) == x[u32(f32(xs[1]))].y {"), "{got}");
        assert!(
            got.contains("out[i] = vec2<f32>(x[a[i.x]].x, f32(xs[i]));"),
            "{got}"
        );
    }

    #[test]
    fn nothing_changes_in_32_bits() {
        assert_eq!(narrow("test", SOURCE, 0).unwrap(), SOURCE);
    }

    #[test]
    fn other_elements_are_refused() {
        let source = "@group(0) @binding(0) var<storage, read> x: array<u32>;";
        for (binding, mask) in [("binding 0", 1), ("binding 1", 2)] {
            let error = narrow("test", source, mask).unwrap_err().to_string();
            assert!(error.contains("test.wgsl") && error.contains(binding), "{error}");
        }
    }
}
