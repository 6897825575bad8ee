//! `import`: a plain Compose file, or a running project, becomes a manifest.

mod gather;
mod running;
mod write;

use std::io::Write as _;

use super::arguments::{Global, Import, Output};
use super::{Trouble, print, style};
use crate::import::{Imported, import};
use crate::report::{exit, text, wire};

/// Prints the manifest, or writes all of the result below `--out`.
pub async fn run(global: &Global, args: &Import) -> Result<u8, Trouble> {
    let gathered = match &args.project {
        Some(project) => running::gather(global, project).await?,
        None => gather::from_files(&args.file)?,
    };
    let mut imported = gathered.with_input(import).map_err(Trouble::Problems)?;
    imported.remarks.extend(gathered.remarks);
    let report = wire::import(&imported, args.show_values);
    let code = exit::of_import(&report).code();
    let colors = style(global, &std::io::stdout());
    let as_json = args.output == Output::Json;
    if let Some(out) = &args.out {
        let written = write::below(out, &imported, &text::import_page(&report))?;
        let next = write::next(out, &imported);
        let told = |to: &mut dyn std::io::Write| {
            text::import_written(to, &report, &written, &next, colors)
        };
        print(as_json, &report, told)?;
        return Ok(code);
    }
    print(as_json, &report, |out| out.write_all(manifest(&imported).as_bytes()))?;
    if !as_json && !global.quiet {
        let mut out = std::io::stderr().lock();
        let colors = style(global, &std::io::stderr());
        text::import_remarks(&mut out, &report, colors)?;
        out.flush()?;
    }
    Ok(code)
}

/// The manifest as one text: Compose and evenkeel merge the documents of a file in their order.
fn manifest(imported: &Imported) -> String {
    let texts = imported.manifests.iter().map(|file| match file.text.ends_with('\n') {
        true => file.text.clone(),
        false => format!("{}\n", file.text),
    });
    texts.collect::<Vec<_>>().join("---\n")
}
