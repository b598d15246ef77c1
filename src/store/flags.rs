//! Flags of one object: the NMS names, and how they are changed so that nothing else is.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use super::{
    Account, Error,
    locate::Located,
    objects::{finish, write_error},
    structure::{Seen, flags_only, seen},
};
use crate::{
    config::DeletedObjects,
    imap::{self, Command, Flag, Selected, UidSet, pool::Lease, response::Code},
    nms, task,
};

/// How the flag of CPM is kept: no server in use takes it with its backslash.
const READ_REPORT_SENT: (&str, &str) = ("\\read-report-sent", "$ReadReportSent");
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
/// How often a change that another client has overtaken is tried anew.
const ATTEMPTS: usize = 3;

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
        let wanted = flags
            .iter()
            .map(|flag| parse(flag))
            .collect::<Result<Vec<_>, _>>()?;
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
        let (located, lease, selected) = self.write_object(id).await?;
        let before = self.flags_in(&lease, &located).await?;
        self.visible(&before.flags)?;
        let add = sign == "+FLAGS";
        if holds(&before.flags, flag.as_str()) == add {
            return Ok(false);
        }
        if add {
            keepable(&selected, &flag)?;
        }
        let now = self
            .store_flags(&lease, &located, sign, std::slice::from_ref(&flag), None)
            .await?;
        if holds(&now, flag.as_str()) != add {
            // Dovecot says OK to a flag one may not set, and leaves it.
            return Err(Error::Forbidden);
        }
        self.after(&lease, &located, &before, &now).await?;
        Ok(true)
    }

    async fn replace(&self, id: &str, wanted: &[Flag]) -> Result<Vec<String>, Error> {
        let (located, lease, selected) = self.write_object(id).await?;
        for _ in 0..ATTEMPTS {
            let before = self.flags_in(&lease, &located).await?;
            self.visible(&before.flags)?;
            let (add, remove) = difference(&before.flags, wanted);
            add.iter().try_for_each(|flag| keepable(&selected, flag))?;
            match self
                .replace_once(&lease, &located, &before, &add, &remove)
                .await?
            {
                Some(now) => {
                    let missing = add.iter().any(|flag| !holds(&now, flag.as_str()));
                    if missing || remove.iter().any(|flag| holds(&now, flag.as_str())) {
                        return Err(Error::Forbidden);
                    }
                    self.after(&lease, &located, &before, &now).await?;
                    return Ok(now);
                }
                None => continue,
            }
        }
        Err(Error::Unavailable(
            "others change the flags of the object".to_owned(),
        ))
    }

    /// The two halves of a replacement; `None` when another client was quicker (RFC 7162 §3.1.3).
    async fn replace_once(
        &self,
        lease: &Lease,
        located: &Located,
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
            match self.store_flags(lease, located, sign, flags, mod_seq).await {
                Ok(flags) => now = flags,
                Err(Error::PreconditionFailed) => return Ok(None),
                Err(error) => return Err(error),
            }
            if mod_seq.is_some() {
                mod_seq = self.flags_in(lease, located).await?.mod_seq;
            }
        }
        Ok(Some(now))
    }

    /// One STORE; the flags after it, as the store shows them.
    async fn store_flags(
        &self,
        lease: &Lease,
        located: &Located,
        sign: &'static str,
        flags: &[Flag],
        unchanged_since: Option<u64>,
    ) -> Result<Vec<String>, Error> {
        let mut command = Command::new("UID STORE").uids(&UidSet::one(located.uid));
        if let Some(mod_seq) = unchanged_since {
            command = command.unchanged_since(mod_seq);
        }
        let completion = lease
            .run(command.atom(sign).flags(flags))
            .await
            .map_err(store_error)?;
        if let Some(Code::Modified(_)) = completion.code {
            return Err(Error::PreconditionFailed);
        }
        // The FETCH that a STORE answers with is not always there, nor always of this message: ask.
        Ok(self.flags_in(lease, located).await?.flags)
    }

    /// `objects.deleted = "purge"`: an object that has just been flagged `\Deleted` goes.
    async fn after(
        &self,
        lease: &Lease,
        located: &Located,
        before: &Seen,
        now: &[String],
    ) -> Result<(), Error> {
        let newly = holds(now, "\\Deleted") && !holds(&before.flags, "\\Deleted");
        if newly && self.store.objects.deleted == DeletedObjects::Purge {
            self.expunge(lease, located, before).await?;
        }
        Ok(())
    }

    async fn seen_flags(&self, id: &str) -> Result<Seen, Error> {
        let mod_seq = self.pool.capabilities()?.mod_seq();
        let (located, _, completion) = self
            .read_object(id, |located| flags_only(located, mod_seq))
            .await?;
        let seen = seen(completion, located.uid).ok_or(Error::NotFound)?;
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
fn shown(flag: &str) -> String {
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
fn holds(flags: &[String], name: &str) -> bool {
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

/// Whether the mailbox can keep a flag: PERMANENTFLAGS lists it, or `\*` for keywords (RFC 9051 §7.1).
fn keepable(selected: &Selected, flag: &Flag) -> Result<(), Error> {
    if selected.read_only {
        return Err(Error::Forbidden);
    }
    let Some(permanent) = &selected.permanent_flags else {
        return Ok(());
    };
    let keyword = !flag.as_str().starts_with('\\');
    let listed = permanent
        .iter()
        .any(|kept| flag.is(kept) || (keyword && kept == "\\*"));
    if listed {
        Ok(())
    } else {
        Err(Error::Unsupported(shown(flag.as_str())))
    }
}

/// A STORE that is refused: by right, or because the mailbox can keep no more keywords.
fn store_error(error: imap::Error) -> Error {
    match error {
        imap::Error::No {
            code: Some(Code::Cannot | Code::Limit),
            ..
        } => Error::Unsupported("flag".to_owned()),
        other => write_error(other),
    }
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
    fn malformed_flags_name_the_member() {
        assert_eq!(parse("a b"), Err(Error::InvalidInput("flag".to_owned())));
    }
}
