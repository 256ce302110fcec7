//! The shader preprocessor: what WGSL's `override` constants cannot vary, which is structure.
//!
//! ```text
//! #import shared/grid          the file, once
//! #ifdef NAME … #else … #endif (also #ifndef)
//! #for i in 0..#{TILE} … #endfor   the body once per value: unrolled
//! #{NAME}                      the definition's or loop variable's text
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::{SHARED, Shader};
use crate::error::{Error, Result};

/// Preprocessor definitions by name. Ordered, so that equal sets are equal keys.
pub type Defines = BTreeMap<&'static str, String>;

/// Expands a shader to plain WGSL.
///
/// # Errors
/// [`Error::Shader`] with the file and line of an unknown import, definition or directive, or of an
/// unclosed block.
pub fn expand(shader: &Shader, defines: &Defines) -> Result<String> {
    let mut names: BTreeMap<String, String> = defines
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    let mut out = String::with_capacity(shader.source.len() * 2);
    file(shader, &mut names, &mut BTreeSet::new(), &mut out)?;
    Ok(out)
}

type Names = BTreeMap<String, String>;

fn file(
    shader: &Shader,
    names: &mut Names,
    seen: &mut BTreeSet<&'static str>,
    out: &mut String,
) -> Result<()> {
    let lines: Vec<&str> = shader.source.lines().collect();
    Block {
        shader,
        lines: &lines,
        seen,
    }
    .expand(0, lines.len(), names, out)
}

struct Block<'a, 'b> {
    shader: &'a Shader,
    lines: &'a [&'a str],
    seen: &'b mut BTreeSet<&'static str>,
}

impl Block<'_, '_> {
    fn error(&self, line: usize, message: impl Into<String>) -> Error {
        Error::Shader {
            shader: format!("{}.wgsl:{}", self.shader.name, line + 1),
            message: message.into(),
        }
    }

    fn expand(&mut self, from: usize, to: usize, names: &mut Names, out: &mut String) -> Result<()> {
        let mut at = from;
        while at < to {
            let line = self.lines[at].trim_start();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["#import", name] => {
                    let shared = SHARED
                        .iter()
                        .find(|s| s.name == *name)
                        .ok_or_else(|| self.error(at, format!("no shared shader '{name}'")))?;
                    if self.seen.insert(shared.name) {
                        file(shared, names, self.seen, out)?;
                    }
                    at += 1;
                }
                ["#ifdef" | "#ifndef", name] => {
                    let (middle, end) = self.find_end(at, to)?;
                    let taken = names.contains_key(*name) == (words[0] == "#ifdef");
                    let (first, last) = if taken {
                        (at + 1, middle)
                    } else {
                        ((middle + 1).min(end), end)
                    };
                    self.expand(first, last, names, out)?;
                    at = end + 1;
                }
                ["#for", variable, "in", range] => {
                    let (_, end) = self.find_end(at, to)?;
                    let range = self.substitute(at, range, names)?;
                    let (low, high) = range
                        .split_once("..")
                        .and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?)))
                        .ok_or_else(|| self.error(at, format!("'{range}' is no range such as 0..4")))?;
                    if names.contains_key(*variable) {
                        return Err(self.error(at, format!("'{variable}' is already defined")));
                    }
                    for value in low..high {
                        names.insert(variable.to_string(), value.to_string());
                        self.expand(at + 1, end, names, out)?;
                    }
                    names.remove(*variable);
                    at = end + 1;
                }
                [first, ..] if first.starts_with('#') && !first.starts_with("#{") => {
                    return Err(self.error(at, format!("unknown or misplaced directive '{line}'")));
                }
                _ => {
                    out.push_str(&self.substitute(at, self.lines[at], names)?);
                    out.push('\n');
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// For the block opened at `start`: the line of its `#else` (or of its end), and the line of its end.
    fn find_end(&self, start: usize, to: usize) -> Result<(usize, usize)> {
        let mut open = Vec::new();
        let mut middle = None;
        for at in start..to {
            match self.lines[at].split_whitespace().next() {
                Some("#ifdef" | "#ifndef") => open.push("#endif"),
                Some("#for") => open.push("#endfor"),
                Some("#else") if open.len() == 1 => middle = Some(at),
                Some(end @ ("#endif" | "#endfor")) => {
                    if open.pop() != Some(end) {
                        return Err(self.error(at, format!("{end} closes nothing")));
                    }
                    if open.is_empty() {
                        return Ok((middle.unwrap_or(at), at));
                    }
                }
                _ => {}
            }
        }
        Err(self.error(start, "this block is never closed"))
    }

    fn substitute(&self, at: usize, line: &str, names: &Names) -> Result<String> {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(start) = rest.find("#{") {
            let end = rest[start..]
                .find('}')
                .ok_or_else(|| self.error(at, "'#{' without '}'"))?
                + start;
            let name = &rest[start + 2..end];
            let value = names
                .get(name)
                .ok_or_else(|| self.error(at, format!("'{name}' is not defined")))?;
            out.push_str(&rest[..start]);
            out.push_str(value);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &'static str, defines: &[(&'static str, &str)]) -> Result<String> {
        let defines = defines.iter().map(|(n, v)| (*n, v.to_string())).collect();
        expand(&Shader { name: "test", source }, &defines)
    }

    #[test]
    fn conditions_loops_and_names() {
        let source =
            "#ifdef A\na\n#ifndef B\nnot b\n#endif\n#else\nno a\n#endif\n#for i in 0..#{N}\nx#{i};\n#endfor";
        assert_eq!(
            run(source, &[("N", "2"), ("A", "")]).unwrap(),
            "a\nnot b\nx0;\nx1;\n"
        );
        assert_eq!(run(source, &[("N", "0"), ("B", "")]).unwrap(), "no a\n");
    }

    #[test]
    fn imports_come_once() {
        let once = run("#import shared/grid", &[]).unwrap();
        assert_eq!(
            run("#import shared/grid\n#import shared/grid", &[]).unwrap(),
            once
        );
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (source, line, what) in [
            ("\n#{X}", "test.wgsl:2", "not defined"),
            ("#import nothing", "test.wgsl:1", "no shared shader"),
            ("#ifdef A\n", "test.wgsl:1", "never closed"),
            ("a\n#endif", "test.wgsl:2", "misplaced"),
            ("#for i in a..b\n#endfor", "test.wgsl:1", "no range"),
            ("#ifdef A\n#endfor", "test.wgsl:2", "closes nothing"),
        ] {
            let error = run(source, &[]).unwrap_err().to_string();
            assert!(
                error.contains(line) && error.contains(what),
                "{source:?}: {error}"
            );
        }
    }
}
