//! Flags of one object: the NMS names, and how they are changed so that nothing else is.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use super::{Account, Error, locate::Located, objects::finish, refusal::Right, structure::Seen};
use crate::{
    config::DeletedObjects,
    imap::{
        self, Command, Flag, Selected, UidSet,
        pool::Lease,
        response::{Code, Untagged},
    },
    nms, task,
};

/// How the flag of CPM is kept: no server in use takes it with its backslash.
pub(super) const READ_REPORT_SENT: (&str, &str) = ("\\read-report-sent", "$ReadReportSent");
/// The standard flags in their canonical spelling.
const STANDARD: [&str; 8] = [
    "\\Seen",
    "\\Answered",
    "\\Flagged",
    "\\Deleted",
    "\\Draft",
    "\\Recent",
    "$MDNSent",
    "$Forwarded",
];
/// Most octets of all flags of an object: servers take a line of 64 KiB, few of them more.
const MOST_OCTETS: usize = 16 << 10;
/// How often a change that another client has overtaken is tried anew.
const ATTEMPTS: usize = 3;

/// An object in its mailbox, open for writing.
struct Open {
    located: Located,
    lease: Lease,
    selected: Selected,
}

impl Account {
    /// All flags of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn flags(&self, urls: &nms::Urls, id: &str) -> Result<nms::FlagList, Error> {
        let seen = self.seen_flags(id).await?;
        Ok(self.flag_list(urls, id, &seen.flags))
    }

    /// Whether a flag is set.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn flag(&self, id: &str, flag: &str) -> Result<bool, Error> {
        let seen = self.seen_flags(id).await?;
        Ok(holds(&seen.flags, flag))
    }

    /// Makes these the flags of the object. `\Recent` is the store's and left alone.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidInput`] `flag`, [`Error::Unsupported`] for a flag the store cannot keep,
    /// [`Error::Forbidden`], [`Error::Unavailable`] when others change the flags all the time.
    pub async fn put_flags(
        &self,
        urls: &nms::Urls,
        id: &str,
        flags: &[String],
    ) -> Result<nms::FlagList, Error> {
        let wanted = parse_all(flags)?;
        let (account, object) = (self.clone(), id.to_owned());
        let write = async move { Box::pin(account.replace(&object, &wanted)).await };
        let now = finish(task::spawn(write)).await?;
        Ok(self.flag_list(urls, id, &now))
    }

    /// Sets one flag: true when it was not set.
    ///
    /// # Errors
    /// As for [`Self::put_flags`].
    pub async fn put_flag(&self, id: &str, flag: &str) -> Result<bool, Error> {
        self.change(id, flag, "+FLAGS").await
    }

    /// Takes one flag away: true when it was set.
    ///
    /// # Errors
    /// As for [`Self::put_flags`].
    pub async fn delete_flag(&self, id: &str, flag: &str) -> Result<bool, Error> {
        self.change(id, flag, "-FLAGS").await
    }

    async fn change(&self, id: &str, flag: &str, sign: &'static str) -> Result<bool, Error> {
        let flag = parse(flag)?;
        let (account, id) = (self.clone(), id.to_owned());
        finish(task::spawn(async move {
            Box::pin(account.change_now(&id, flag, sign)).await
        }))
        .await
    }

    async fn change_now(&self, id: &str, flag: Flag, sign: &'static str) -> Result<bool, Error> {
        let open = self.open(id).await?;
        let add = sign == "+FLAGS";
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let before = self.flags_in(&open.lease, &open.located).await?;
            self.visible(&before.flags)?;
            if holds(&before.flags, flag.as_str()) == add {
                // What an attempt before this one has done, it has done.
                return Ok(refused.is_some());
            }
            let flags = as_kept(&open.selected, &before.flags, vec![flag.clone()]);
            if add {
                self.keepable(&open, &flags).await?;
            }
            let now = self.store_flags(&open, sign, &flags, None).await?;
            refused = without_effect(&flags, &now.flags, add).cloned();
            if refused.is_none() {
                self.after(&open, &before, &now.flags).await?;
                return Ok(true);
            }
        }
        Err(self.refused_flag(&open, refused).await)
    }

    async fn replace(&self, id: &str, wanted: &[Flag]) -> Result<Vec<String>, Error> {
        let open = self.open(id).await?;
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let before = self.flags_in(&open.lease, &open.located).await?;
            self.visible(&before.flags)?;
            let (add, remove) = difference(&before.flags, wanted);
            let add = as_kept(&open.selected, &before.flags, add);
            self.keepable(&open, &add).await?;
            let Some(now) = self.replace_once(&open, &before, &add, &remove).await? else {
                refused = None;
                continue;
            };
            let missed = without_effect(&add, &now, true);
            refused = missed.or(without_effect(&remove, &now, false)).cloned();
            if refused.is_none() {
                self.after(&open, &before, &now).await?;
                return Ok(now);
            }
        }
        Err(match refused {
            Some(_) => self.refused_flag(&open, refused).await,
            None => Error::Unavailable("others change the flags of the object".to_owned()),
        })
    }

    /// The two halves of a replacement; `None` when another client was quicker (RFC 7162 §3.1.3).
    async fn replace_once(
        &self,
        open: &Open,
        before: &Seen,
        add: &[Flag],
        remove: &[Flag],
    ) -> Result<Option<Vec<String>>, Error> {
        let mut now = before.flags.clone();
        let mut mod_seq = before.mod_seq;
        // Not FLAGS (…): that would also wipe what the bridge does not know of (RFC 9051 §6.4.6).
        for (sign, flags) in [("+FLAGS", add), ("-FLAGS", remove)] {
            if flags.is_empty() {
                continue;
            }
            match self.store_flags(open, sign, flags, mod_seq).await {
                Ok(seen) => (now, mod_seq) = (seen.flags, seen.mod_seq),
                Err(Error::PreconditionFailed) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(now))
    }

    /// One STORE; flags and MODSEQ after it, as the store shows them.
    async fn store_flags(
        &self,
        open: &Open,
        sign: &'static str,
        flags: &[Flag],
        unchanged_since: Option<u64>,
    ) -> Result<Seen, Error> {
        let mut command = Command::new("UID STORE").uids(&UidSet::one(open.located.uid));
        if let Some(mod_seq) = unchanged_since {
            command = command.unchanged_since(mod_seq);
        }
        let completion = match open.lease.run(command.atom(sign).flags(flags)).await {
            Ok(completion) => completion,
            Err(refusal) => return Err(self.refused_store(open, sign, flags, refusal).await),
        };
        if let Some(Code::Modified(_)) = completion.code {
            return Err(Error::PreconditionFailed);
        }
        // What the answer itself shows was done, whatever others do to it afterwards.
        let shown = completion.untagged.into_iter().rev().find_map(|data| {
            let Untagged::Fetch(fetch) = data else {
                return None;
            };
            let ours = fetch.uid == Some(open.located.uid)
                && (unchanged_since.is_none() || fetch.mod_seq.is_some());
            let seen = ours.then(|| Seen::new(*fetch)).flatten()?;
            let done = without_effect(flags, &seen.flags, sign == "+FLAGS").is_none();
            done.then_some(seen)
        });
        match shown {
            Some(seen) => Ok(seen),
            // It is not always there, nor always of this message: ask.
            None => self.flags_in(&open.lease, &open.located).await,
        }
    }

    /// Whether the mailbox can keep flags: PERMANENTFLAGS lists them, or `\*` for keywords (RFC 9051 §7.1). What a user has no
    /// right to is not listed either.
    async fn keepable(&self, open: &Open, flags: &[Flag]) -> Result<(), Error> {
        if open.selected.read_only {
            return Err(Error::Forbidden);
        }
        let Some(flag) = flags.iter().find(|flag| !is_kept(&open.selected, flag)) else {
            return Ok(());
        };
        let mailbox = &open.located.mailbox;
        if self
            .lacks(Some(&open.lease), mailbox, Right::to_change(flag))
            .await
        {
            return Err(Error::Forbidden);
        }
        Err(Error::Unsupported(shown(flag.as_str())))
    }

    /// Dovecot says OK to a flag one may not set, and leaves it.
    async fn refused_flag(&self, open: &Open, flag: Option<Flag>) -> Error {
        let right = flag.as_ref().map_or(Right::Write, Right::to_change);
        self.refused_change(&open.lease, &open.located.mailbox, right, None)
            .await
    }

    /// A STORE that is refused: by right, or because the mailbox can keep no more keywords.
    async fn refused_store(
        &self,
        open: &Open,
        sign: &'static str,
        flags: &[Flag],
        refusal: imap::Error,
    ) -> Error {
        let unlisted = flags.iter().find(|flag| {
            let listed = open.selected.flags.iter().any(|listed| flag.is(listed));
            sign == "+FLAGS" && !flag.as_str().starts_with('\\') && !listed
        });
        let Some(first) = unlisted.or(flags.first()) else {
            return refusal.into();
        };
        let coded = matches!(
            refusal,
            imap::Error::No {
                code: Some(Code::Cannot | Code::Limit),
                ..
            }
        );
        let codeless = matches!(refusal, imap::Error::No { code: None, .. });
        if coded {
            return Error::Unsupported(shown(first.as_str()));
        }
        let right = Right::to_change(first);
        let mailbox = &open.located.mailbox;
        match self
            .refused_change(&open.lease, mailbox, right, Some(refusal))
            .await
        {
            // Cyrus keeps a hundred keywords and says NO without a code to the next.
            Error::Upstream(_) if codeless && unlisted.is_some() => {
                Error::Unsupported(shown(first.as_str()))
            }
            error => error,
        }
    }

    async fn open(&self, id: &str) -> Result<Open, Error> {
        let (located, lease, selected) = self.write_object(id).await?;
        Ok(Open {
            located,
            lease,
            selected,
        })
    }

    /// `objects.deleted = "purge"`: an object that has just been flagged `\Deleted` goes.
    async fn after(&self, open: &Open, before: &Seen, now: &[String]) -> Result<(), Error> {
        let newly = holds(now, "\\Deleted") && !holds(&before.flags, "\\Deleted");
        if newly && self.store.objects.deleted == DeletedObjects::Purge {
            self.expunge(&open.lease, &open.located, before).await?;
        }
        Ok(())
    }

    async fn seen_flags(&self, id: &str) -> Result<Seen, Error> {
        let (_, seen) = self.seen(id).await?;
        self.visible(&seen.flags)?;
        Ok(seen)
    }

    /// Flags as NMS names them.
    #[expect(
        clippy::unused_self,
        reason = "reads like the other views of an account"
    )]
    pub(super) fn flag_list(&self, urls: &nms::Urls, id: &str, flags: &[String]) -> nms::FlagList {
        nms::FlagList {
            flag: flags.iter().map(|flag| shown(flag)).collect(),
            resource_url: Some(urls.flags(id)),
        }
    }
}

/// The flags of a new object; `\Recent` is the store's, and one named twice is one.
///
/// # Errors
/// [`Error::InvalidInput`] `flag`.
pub(super) fn to_append(names: &[String]) -> Result<Vec<Flag>, Error> {
    let mut flags: Vec<Flag> = Vec::new();
    for flag in parse_all(names)? {
        if !flag.is("\\Recent") && !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    Ok(flags)
}

/// Flags of the contract as those of IMAP, no more of them than a line of a command can hold.
fn parse_all(names: &[String]) -> Result<Vec<Flag>, Error> {
    let octets = names.iter().map(|name| name.len() + 1).sum::<usize>();
    if octets > MOST_OCTETS {
        return Err(Error::InvalidInput("flag".to_owned()));
    }
    names.iter().map(|name| parse(name)).collect()
}

/// A flag of the contract as one of IMAP.
fn parse(name: &str) -> Result<Flag, Error> {
    let kept = if name.eq_ignore_ascii_case(READ_REPORT_SENT.0) {
        READ_REPORT_SENT.1
    } else {
        name
    };
    Flag::parse(kept).map_err(|_| Error::InvalidInput("flag".to_owned()))
}

/// A flag of IMAP as one of the contract.
pub(super) fn shown(flag: &str) -> String {
    if flag.eq_ignore_ascii_case(READ_REPORT_SENT.0)
        || flag.eq_ignore_ascii_case(READ_REPORT_SENT.1)
    {
        return READ_REPORT_SENT.0.to_owned();
    }
    let standard = STANDARD
        .iter()
        .find(|standard| standard.eq_ignore_ascii_case(flag));
    standard.map_or_else(|| flag.to_owned(), |standard| (*standard).to_owned())
}

/// Whether a flag is among those of a message, in any case and either spelling.
pub(super) fn holds(flags: &[String], name: &str) -> bool {
    let name = shown(name);
    flags
        .iter()
        .any(|flag| shown(flag).eq_ignore_ascii_case(&name))
}

/// What has to be added and removed; `\Recent` is never either (RFC 9051 §2.3.2).
fn difference(before: &[String], wanted: &[Flag]) -> (Vec<Flag>, Vec<Flag>) {
    let mut add: Vec<Flag> = Vec::new();
    for flag in wanted {
        if !holds(before, flag.as_str()) && !flag.is("\\Recent") && !add.contains(flag) {
            add.push(flag.clone());
        }
    }
    let wanted: Vec<String> = wanted.iter().map(|flag| flag.as_str().to_owned()).collect();
    let remove = before
        .iter()
        .filter(|flag| !holds(&wanted, flag) && !flag.eq_ignore_ascii_case("\\Recent"))
        .filter_map(|flag| Flag::parse(flag).ok())
        .collect();
    (add, remove)
}

/// The first of these flags that is not as it should be.
fn without_effect<'a>(flags: &'a [Flag], now: &[String], set: bool) -> Option<&'a Flag> {
    flags.iter().find(|flag| holds(now, flag.as_str()) != set)
}

/// Whether PERMANENTFLAGS has a flag, or has room for it.
fn is_kept(selected: &Selected, flag: &Flag) -> bool {
    let keyword = !flag.as_str().starts_with('\\');
    let permanent = selected.permanent_flags.as_ref();
    permanent.is_none_or(|permanent| {
        permanent
            .iter()
            .any(|kept| flag.is(kept) || (keyword && kept == "\\*"))
    })
}

/// Flags in the spelling this store keeps them in: one that knows the flag of CPM has it with its backslash.
fn as_kept(selected: &Selected, present: &[String], flags: Vec<Flag>) -> Vec<Flag> {
    let (native, keyword) = READ_REPORT_SENT;
    let permanent = selected.permanent_flags.iter().flatten();
    let native = permanent
        .chain(present)
        .find(|flag| flag.eq_ignore_ascii_case(native))
        .and_then(|flag| Flag::parse(flag).ok());
    flags
        .into_iter()
        .map(|flag| match &native {
            Some(native) if flag.is(keyword) => native.clone(),
            _ => flag,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(flags: &[&str]) -> Vec<String> {
        flags.iter().map(|flag| (*flag).to_owned()).collect()
    }

    #[test]
    fn standard_flags_are_shown_in_their_own_spelling() {
        assert_eq!(shown("\\SEEN"), "\\Seen");
        assert_eq!(shown("$readreportsent"), "\\read-report-sent");
        assert_eq!(shown("$CNS-Greeting-On"), "$CNS-Greeting-On");
    }

    #[test]
    fn a_replacement_leaves_recent_alone_and_counts_either_spelling() {
        let before = owned(&["\\Recent", "\\Seen", "$ReadReportSent", "old"]);
        let wanted = [
            parse("\\seen").unwrap(),
            parse("\\read-report-sent").unwrap(),
            parse("new").unwrap(),
            parse("\\Recent").unwrap(),
        ];
        let (add, remove) = difference(&before, &wanted);
        assert_eq!(add, [parse("new").unwrap()]);
        assert_eq!(remove, [parse("old").unwrap()]);
    }

    #[test]
    fn a_store_that_knows_the_flag_of_cpm_gets_it_as_such() {
        let selected = |permanent: &[&str]| Selected {
            mailbox: crate::imap::MailboxName::from_wire("INBOX"),
            mode: crate::imap::connection::Mode::Select,
            uid_validity: 1,
            mailbox_id: None,
            exists: 0,
            permanent_flags: Some(owned(permanent)),
            flags: Vec::new(),
            no_mod_seq: false,
            read_only: false,
        };
        let report = || vec![parse("\\Read-Report-Sent").unwrap()];
        let kept = |permanent: &[&str], present: &[&str]| {
            let kept = as_kept(&selected(permanent), &owned(present), report());
            kept[0].as_str().to_owned()
        };
        assert_eq!(kept(&["\\*"], &[]), "$ReadReportSent");
        assert_eq!(kept(&["\\read-report-sent"], &[]), "\\read-report-sent");
        assert_eq!(
            kept(&["\\*"], &["\\read-report-sent"]),
            "\\read-report-sent"
        );
        assert!(!is_kept(&selected(&["\\Seen"]), &report()[0]));
    }

    #[test]
    fn malformed_flags_name_the_member() {
        assert_eq!(parse("a b"), Err(Error::InvalidInput("flag".to_owned())));
    }
}
