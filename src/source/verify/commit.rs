//! A commit as its bytes are: what of it is signed, and by which signature.
//!
//! Stricter than git: a commit whose header could be read in two ways is none that anybody can vouch for.

/// What is signed of a commit, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// All of the commit but the signature.
    pub payload: Vec<u8>,
    /// The signature as it was made, in its armour; `None` for a commit without one.
    pub signature: Option<String>,
    /// The tree, in hex.
    pub tree: String,
    /// The parents, in hex.
    pub parents: Vec<String>,
    /// The committer as written: a name and an address.
    pub committer: String,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
}

/// Longer headers than this are no commit's, in bytes.
const LONGEST_HEADER: usize = 1 << 20;

/// Takes the bytes of a commit apart.
///
/// # Errors
/// Says what is odd about it: it must not be trusted, however it is signed.
pub fn take_apart(raw: &[u8]) -> Result<Signed, String> {
    let end = raw.windows(2).position(|two| two == b"\n\n").ok_or("its header has no end")?;
    let header = raw.get(..=end).unwrap_or_default();
    if header.len() > LONGEST_HEADER || header.contains(&0) {
        return Err("its header is longer than any, or holds zero bytes".to_owned());
    }
    let fields = fields(header)?;
    let mut rest = fields.iter().peekable();
    let mut next = |name: &str| {
        let found = rest.next_if(|field| field.name == name.as_bytes());
        found.map(|field| String::from_utf8_lossy(field.value()).into_owned())
    };
    let tree = next("tree").filter(|id| is_id(id)).ok_or("it does not begin with its tree")?;
    let mut parents = Vec::new();
    while let Some(parent) = next("parent") {
        parents.push(parent);
    }
    if !parents.iter().all(|id| is_id(id)) {
        return Err("one of its parents is no commit's id".to_owned());
    }
    next("author").ok_or("it has no author where one belongs")?;
    let committer = next("committer").ok_or("it has no committer where one belongs")?;
    let (committer, committed_at) = when(&committer).ok_or("nothing says when it was committed")?;
    let rest: Vec<&Field<'_>> = rest.collect();
    let known = ["tree", "parent", "author", "committer"];
    if rest.iter().any(|field| known.iter().any(|name| field.name == name.as_bytes())) {
        return Err("a part of its header stands there twice, or in the wrong place".to_owned());
    }
    let mut signatures = rest.iter().filter(|field| field.name.starts_with(b"gpgsig"));
    let signature = signatures.next();
    if signatures.next().is_some() || signature.is_some_and(|it| it.name != b"gpgsig") {
        return Err("it has more than one signature, or one of another kind".to_owned());
    }
    let mut payload = Vec::with_capacity(raw.len());
    for field in fields.iter().filter(|field| field.name != b"gpgsig") {
        payload.extend_from_slice(field.bytes);
    }
    payload.extend_from_slice(raw.get(end + 1..).unwrap_or_default());
    let signature = signature.map(|field| field.unfolded()).transpose()?;
    Ok(Signed { payload, signature, tree, parents, committer, committed_at })
}

/// One part of a header, with the lines that continue it.
struct Field<'a> {
    name: &'a [u8],
    /// All of it, line ends included.
    bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value, of one line.
    fn value(&self) -> &'a [u8] {
        let value = self.bytes.get(self.name.len() + 1..).unwrap_or_default();
        value.strip_suffix(b"\n").unwrap_or(value)
    }

    /// The value with its lines as they were before they were indented.
    fn unfolded(&self) -> Result<String, String> {
        let text = std::str::from_utf8(self.value());
        let text = text.map_err(|_| "its signature is no text".to_owned())?;
        Ok(text.replace("\n ", "\n") + "\n")
    }
}

fn fields(header: &[u8]) -> Result<Vec<Field<'_>>, String> {
    let mut found: Vec<Field<'_>> = Vec::new();
    let mut begin = 0;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let end = begin + line.len();
        match found.last_mut() {
            Some(field) if line.first() == Some(&b' ') => {
                let from = begin - field.bytes.len();
                field.bytes = header.get(from..end).unwrap_or_default();
            }
            _ => {
                let name = line.iter().position(|byte| *byte == b' ').filter(|at| *at > 0);
                let name = name.ok_or("a line of its header has no name")?;
                found.push(Field { name: line.get(..name).unwrap_or_default(), bytes: line });
            }
        }
        begin = end;
    }
    Ok(found)
}

fn is_id(text: &str) -> bool {
    text.len() == 40
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// `Name <address> 1700000000 +0000`
fn when(committer: &str) -> Option<(String, i64)> {
    let (who, when) = committer.rsplit_once('>')?;
    let mut words = when.split_ascii_whitespace();
    let (seconds, _zone, end) = (words.next()?, words.next()?, words.next());
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = seconds.parse().ok().filter(|_| is_number && end.is_none())?;
    let who: String = format!("{who}>").chars().filter(|c| !c.is_control()).take(200).collect();
    Some((who, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const PARENT: &str = "parent 83baae61804e65cc73a7201a7252750c76066a30\n";
    const PEOPLE: &str = "author A <a@x> 1700000000 +0000\ncommitter B <b@x> 1700000001 +0100\n";
    const SIGNATURE: &str =
        "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n";

    fn check(raw: &str) -> Result<Signed, String> {
        take_apart(raw.as_bytes())
    }

    #[test]
    fn the_signature_is_taken_out_and_all_else_stays() {
        let found =
            check(&format!("{TREE}{PARENT}{PEOPLE}encoding x\n{SIGNATURE}\nm\n\ngpgsig a\n"));
        let found = found.unwrap();
        let payload = format!("{TREE}{PARENT}{PEOPLE}encoding x\n\nm\n\ngpgsig a\n");
        assert_eq!(found.payload, payload.as_bytes());
        let expected = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        assert_eq!(found.signature.as_deref(), Some(expected));
        assert_eq!((found.committer.as_str(), found.committed_at), ("B <b@x>", 1_700_000_001));
        assert_eq!(found.parents, ["83baae61804e65cc73a7201a7252750c76066a30"]);
        assert_eq!(check(&format!("{TREE}{PEOPLE}\nm")).unwrap().signature, None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let refused = |raw: String, why: &str| {
            let found = check(&raw).unwrap_err();
            assert!(found.contains(why), "{raw:?}: {found}");
        };
        refused(format!("{TREE}{PEOPLE}{SIGNATURE}{SIGNATURE}\nm"), "more than one signature");
        refused(
            format!("{TREE}{PEOPLE}{SIGNATURE}gpgsig-sha256 x\n\nm"),
            "more than one signature",
        );
        refused(format!("{TREE}{PEOPLE}gpgsig-sha256 x\n\nm"), "another kind");
        refused(format!("{TREE}{TREE}{PEOPLE}\nm"), "no author where");
        refused(format!("{TREE}{PEOPLE}{PARENT}\nm"), "wrong place");
        refused(format!("{TREE}{PEOPLE}{TREE}\nm"), "wrong place");
        refused(format!("{PARENT}{TREE}{PEOPLE}\nm"), "begin with its tree");
        refused(format!("{}{PEOPLE}\nm", TREE.to_uppercase()), "begin with its tree");
        refused(format!("{TREE}{PEOPLE}bare\n\nm"), "has no name");
        refused(format!("{TREE}{PEOPLE}a \0\n\nm"), "zero bytes");
        refused(format!("{TREE}{PEOPLE}"), "no end");
        refused(format!("{TREE}author A <a@x> 1 +0000\ncommitter B <b@x>\n\nm"), "when");
        refused(format!("{TREE}author A <a@x> 1 +0000\ncommitter B <b@x> -5 +0000\n\nm"), "when");
        refused(format!(" {TREE}{PEOPLE}\nm"), "has no name");
    }
}
