// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end card: what was measured, and how to do the same by hand.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::{ActResult, Fault};

/// The card as text.
pub(crate) fn card(acts: &[ActResult], ok: bool) -> String {
    let mut servers = table(&["act", "noticed after", "interruption", "bound", "sent", "lost", "duplicated", "resent"]);
    let titles = [
        "act",
        "all rehomed after",
        "failed resolutions",
        "sessions that noticed",
        "longest gap",
        "sent",
        "lost",
        "duplicated",
    ];
    let mut registrars = table(&titles);
    for act in acts {
        let ms = |time: f64| format!("{time:.1} ms");
        let (title, gap) = (act.name.title().to_owned(), ms(act.interruption_ms));
        let [sent, lost, duplicated] = [act.sent, act.lost, act.duplicated].map(|number| number.to_string());
        match act.fault {
            Fault::Server { detect_ms } => {
                let bound = format!("< {} ms", act.name.bound_ms());
                let resent = act.resent.to_string();
                servers.add_row(row([title, ms(detect_ms), gap, bound, sent, lost, duplicated, resent]))
            }
            Fault::Registrar { rehome_ms, resolutions, failed_resolutions, sessions_noticed } => {
                let failed = format!("{failed_resolutions} of {resolutions}");
                let noticed = sessions_noticed.to_string();
                registrars.add_row(row([title, ms(rehome_ms), failed, noticed, gap, sent, lost, duplicated]))
            }
        };
    }
    let mut card = String::new();
    for table in [servers, registrars].iter().filter(|table| !table.is_empty()) {
        let _ = writeln!(card, "\n{table}");
    }
    let verdict = if ok {
        "Every request was answered once, and right, and no resolution failed."
    } else {
        "Something was lost, duplicated or wrong, or a resolution failed."
    };
    let _ = writeln!(card, "\n{verdict} One session, {} faults under it.\n", acts.len());
    card += BY_HAND;
    card
}

fn table(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(titles);
    table
}

/// Numbers stand at the right.
fn row<const N: usize>(texts: [String; N]) -> Vec<Cell> {
    let cell = |(index, text): (usize, String)| match index {
        0 => Cell::new(text),
        _ => Cell::new(text).set_alignment(CellAlignment::Right),
    };
    texts.into_iter().enumerate().map(cell).collect()
}

const BY_HAND: &str = "By hand, on as many hosts as you like:
  rsp-registrar --profile fast                             # host A
  rsp-registrar --profile fast --peer A                    # host B: it takes over when A dies
  rsp pe run --pool pool://A,B/echo -- echo                # hosts C, D, ..
  rsp connect pool://A,B/echo                              # host E; then kill -9 the server that answers
";
