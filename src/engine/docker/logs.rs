//! The last lines of a container.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptions;
use futures_util::{Stream, StreamExt};

use super::session::Session;

/// Characters kept of a line.
const LINE: usize = 2_000;
/// Bytes gathered of a line: room for [`LINE`] characters of any size.
const LINE_BYTES: usize = LINE * 4;
/// How long the engine may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// The last `lines` lines of both streams, oldest first, each cut to 2,000 characters.
pub(super) async fn logs(
    session: &Session,
    container: &str,
    lines: u32,
) -> Result<Vec<String>, Error> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    };
    let written = session.reading().logs(container, Some(options));
    let mut written = Box::pin(written);
    let mut last = LastLines::new(lines);
    while let Some(output) = tokio::time::timeout(SILENCE, written.next())
        .await
        .map_err(|_| Error::RequestTimeoutError)?
    {
        last.add(output?);
    }
    Ok(last.finish())
}

/// The last `lines` lines of `output`, however long it takes.
pub(super) async fn last_lines(
    mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    lines: u32,
) -> Result<Vec<String>, Error> {
    let mut last = LastLines::new(lines);
    while let Some(output) = output.next().await {
        last.add(output?);
    }
    Ok(last.finish())
}

enum Source {
    Out,
    Err,
}

/// Puts lines together: a long one comes in pieces, and those of both streams are mixed.
struct LastLines {
    limit: usize,
    complete: VecDeque<String>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl LastLines {
    fn new(lines: u32) -> Self {
        let limit = usize::try_from(lines).unwrap_or(usize::MAX);
        Self { limit, complete: VecDeque::new(), out: Vec::new(), err: Vec::new() }
    }

    fn add(&mut self, output: LogOutput) {
        match output {
            LogOutput::StdErr { message } => self.take(Source::Err, &message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => self.take(Source::Out, &message),
        }
    }

    fn take(&mut self, stream: Source, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = bytes.split_at(end);
            self.gather(&stream, piece);
            self.end_line(&stream);
            bytes = &rest[1..];
        }
        self.gather(&stream, bytes);
    }

    fn finish(mut self) -> Vec<String> {
        for stream in [Source::Out, Source::Err] {
            if !self.begun(&stream).is_empty() {
                self.end_line(&stream);
            }
        }
        self.complete.into()
    }

    fn begun(&mut self, stream: &Source) -> &mut Vec<u8> {
        match stream {
            Source::Out => &mut self.out,
            Source::Err => &mut self.err,
        }
    }

    fn gather(&mut self, stream: &Source, piece: &[u8]) {
        let begun = self.begun(stream);
        let room = LINE_BYTES.saturating_sub(begun.len()).min(piece.len());
        begun.extend_from_slice(&piece[..room]);
    }

    fn end_line(&mut self, stream: &Source) {
        let line = std::mem::take(self.begun(stream));
        let line = String::from_utf8_lossy(&line);
        self.complete.push_back(line.trim_end_matches('\r').chars().take(LINE).collect());
        if self.complete.len() > self.limit {
            self.complete.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limit: u32, pieces: &[(bool, &[u8])], expected: &[&str]) {
        let mut last = LastLines::new(limit);
        for (err, bytes) in pieces {
            last.take(if *err { Source::Err } else { Source::Out }, bytes);
        }
        assert_eq!(last.finish(), expected);
    }

    #[test]
    fn lines_are_put_together_by_stream() {
        check(9, &[(false, b"a"), (true, b"x\n"), (false, b"b\r\nc")], &["x", "ab", "c"]);
        check(9, &[(false, b"\n\xff\n")], &["", "\u{fffd}"]);
        check(9, &[], &[]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        check(2, &[(false, b"a\nb\nc\n")], &["b", "c"]);
        check(0, &[(false, b"a\n")], &[]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = "é".repeat(5_000);
        check(1, &[(false, long.as_bytes()), (false, b"\n")], &[&"é".repeat(LINE)]);
    }
}
