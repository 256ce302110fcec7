//! `stemwise devices`

use super::{
    output::say,
    table::{bytes, titled},
};
use crate::gpu::{Adapter, AdapterKind, Choice, DEVICE_VARIABLE, DRIVER_ADVICE, adapters_for, choose};

const HEADER: [&str; 10] = [
    "",
    "index",
    "name",
    "api",
    "kind",
    "driver",
    "binding",
    "buffer",
    "workgroup",
    "features",
];

pub fn run() -> anyhow::Result<()> {
    let variable = std::env::var(DEVICE_VARIABLE).ok();
    // what is there is listed, whatever the variable says
    let asked = variable
        .as_deref()
        .filter(|asked| !asked.trim().eq_ignore_ascii_case("cpu"));
    let found = adapters_for(asked);
    let chosen = choose(&found, variable.as_deref());
    let used = |choice: Choice| {
        if chosen.as_ref().is_ok_and(|c| *c == choice) {
            "*"
        } else {
            ""
        }
        .to_string()
    };

    let mut rows = Vec::new();
    for (index, adapter) in found.iter().enumerate() {
        rows.push(row(used(Choice::Adapter(index)), index, adapter));
    }
    let threads = rayon::current_num_threads();
    let cpu = [
        used(Choice::Cpu),
        "cpu".into(),
        format!("this machine's processor, {threads} threads"),
    ];
    rows.push(cpu.to_vec());
    say(titled(&HEADER, rows))?;
    say("")?;
    for adapter in &found {
        if let Some(reason) = adapter.unusable() {
            say(format!("{adapter} cannot be used: {reason}."))?;
        }
    }
    match chosen? {
        Choice::Adapter(index) => say(format!("Without --device, {} is used.", found[index]))?,
        Choice::Cpu => {
            say("Without --device, the cpu is used.")?;
            if found.is_empty() {
                say(format!("{DRIVER_ADVICE}."))?;
            } else if variable.is_none() {
                say(
                    "The adapters above run on the processor, slower than the cpu device: they are for tests.",
                )?;
            }
        }
    }
    Ok(())
}

fn row(used: String, index: usize, adapter: &Adapter) -> Vec<String> {
    let kind = match adapter.kind {
        AdapterKind::Discrete => "discrete",
        AdapterKind::Integrated => "integrated",
        AdapterKind::Virtual => "virtual",
        AdapterKind::Unknown => "unknown",
        AdapterKind::Software => "software",
    };
    let limits = adapter.limits;
    let memory = bytes(limits.workgroup_memory.into());
    vec![
        used,
        index.to_string(),
        adapter.name.clone(),
        adapter.api.to_string(),
        kind.to_string(),
        adapter.driver.clone(),
        bytes(limits.binding),
        bytes(limits.buffer),
        format!("{memory}, {} threads", limits.invocations),
        adapter.features.names().join(", "),
    ]
}
