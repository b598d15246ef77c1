//! Flags of one object: the NMS names, and how they are changed so that nothing else is.

use super::{
    Account, Error, Precondition,
    marking::{ATTEMPTS, Marking},
    objects::finish,
    sets::{Open, Outcomes},
    structure::Seen,
};
use crate::{
    imap::{
        Command, Flag, Selected, UidSet,
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

/// How one attempt to replace flags has ended.
enum Attempt {
    /// These are the flags now.
    Done(Vec<String>),
    /// Another client was quicker; whether some of it was done before that.
    Overtaken { begun: bool },
}

impl Account {
    /// All flags of an object, and its `lastModSeq`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn flags(&self, urls: &nms::Urls, id: &str) -> Result<(nms::FlagList, u64), Error> {
        let (located, seen) = self.seen(id).await?;
        self.visible(&seen.flags)?;
        let last_mod_seq = self.last_mod_seq(&located, &seen).await?;
        Ok((self.flag_list(urls, id, &seen.flags), last_mod_seq))
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
    /// [`Error::Forbidden`], [`Error::PreconditionFailed`], [`Error::Unavailable`] when others change the flags all the time.
    pub async fn put_flags(
        &self,
        urls: &nms::Urls,
        id: &str,
        flags: &[String],
        precondition: Precondition,
    ) -> Result<nms::FlagList, Error> {
        let wanted = parse_all(flags)?;
        let (account, object) = (self.clone(), id.to_owned());
        let write = async move {
            let attempt = || Box::pin(account.replace(&object, &wanted, precondition.clone()));
            account.where_it_is(&object, attempt).await
        };
        let now = finish(task::spawn(write)).await?;
        Ok(self.flag_list(urls, id, &now))
    }

    /// Sets one flag: true when it was not set.
    ///
    /// # Errors
    /// As for [`Self::put_flags`].
    pub async fn put_flag(
        &self,
        id: &str,
        flag: &str,
        precondition: Precondition,
    ) -> Result<bool, Error> {
        self.change(id, flag, true, precondition).await
    }

    /// Takes one flag away: true when it was set.
    ///
    /// # Errors
    /// As for [`Self::put_flags`].
    pub async fn delete_flag(
        &self,
        id: &str,
        flag: &str,
        precondition: Precondition,
    ) -> Result<bool, Error> {
        self.change(id, flag, false, precondition).await
    }

    async fn change(
        &self,
        id: &str,
        flag: &str,
        add: bool,
        precondition: Precondition,
    ) -> Result<bool, Error> {
        let flags = vec![parse(flag)?];
        let (account, id) = (self.clone(), id.to_owned());
        finish(task::spawn(async move {
            let marking = Marking { add, flags };
            let attempt = || Box::pin(account.change_now(&id, &marking, &precondition));
            account.where_it_is(&id, attempt).await
        }))
        .await
    }

    async fn change_now(
        &self,
        id: &str,
        marking: &Marking,
        precondition: &Precondition,
    ) -> Result<bool, Error> {
        let open = self.open_for(id).await?;
        if !precondition.is_empty() {
            return self.change_if(&open, marking, precondition).await;
        }
        let uid = open.located.uid;
        let outcome = self.mark(&open, &[uid], marking).await.remove(&uid);
        outcome.unwrap_or(Err(Error::NotFound))
    }

    /// The same for an object as it is demanded to be, once.
    async fn change_if(
        &self,
        open: &Open,
        Marking { add, flags }: &Marking,
        precondition: &Precondition,
    ) -> Result<bool, Error> {
        let add = *add;
        let before = self.flags_in(&open.lease, &open.located).await?;
        self.visible(&before.flags)?;
        let located = &open.located;
        let since = self.as_demanded(precondition, located, &before).await?;
        if without_effect(flags, &before.flags, add).is_none() {
            return Ok(false);
        }
        let flags = as_kept(&open.selected, &before.flags, flags.clone());
        if add {
            self.keepable(open, &flags).await?;
        }
        let sign = if add { "+FLAGS" } else { "-FLAGS" };
        let now = self.store_flags(open, sign, &flags, since).await?;
        if let Some(flag) = without_effect(&flags, &now.flags, add) {
            return Err(self.refused_flag(open, Some(flag.clone())).await);
        }
        if add {
            self.after_one(open, before, flags).await?;
        }
        Ok(true)
    }

    async fn replace(
        &self,
        id: &str,
        wanted: &[Flag],
        mut precondition: Precondition,
    ) -> Result<Vec<String>, Error> {
        let open = self.open_for(id).await?;
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let before = self.flags_in(&open.lease, &open.located).await?;
            self.visible(&before.flags)?;
            let located = &open.located;
            self.as_demanded(&precondition, located, &before).await?;
            let (add, remove) = difference(&before.flags, wanted);
            let add = as_kept(&open.selected, &before.flags, add);
            self.keepable(&open, &add).await?;
            let attempt = self.replace_once(&open, &before, &add, &remove).await?;
            if matches!(attempt, Attempt::Overtaken { begun: false }) && precondition.depends() {
                return Err(Error::PreconditionFailed);
            }
            if !matches!(attempt, Attempt::Overtaken { begun: false }) {
                // It held when the change began; what is half-done is brought to its end.
                precondition = Precondition::default();
            }
            let Attempt::Done(now) = attempt else {
                refused = None;
                continue;
            };
            let missed = without_effect(&add, &now, true);
            refused = missed.or(without_effect(&remove, &now, false)).cloned();
            if refused.is_none() {
                self.after_one(&open, before, add).await?;
                return Ok(now);
            }
        }
        Err(match refused {
            Some(_) => self.refused_flag(&open, refused).await,
            None => Error::Unavailable("others change the flags of the object".to_owned()),
        })
    }

    /// The two halves of a replacement, each only if no other client is quicker (RFC 7162 §3.1.3).
    async fn replace_once(
        &self,
        open: &Open,
        before: &Seen,
        add: &[Flag],
        remove: &[Flag],
    ) -> Result<Attempt, Error> {
        let mut now = before.flags.clone();
        let mut mod_seq = before.mod_seq;
        let mut begun = false;
        // Not FLAGS (…): that would also wipe what the bridge does not know of (RFC 9051 §6.4.6).
        for (sign, flags) in [("+FLAGS", add), ("-FLAGS", remove)] {
            if flags.is_empty() {
                continue;
            }
            match self.store_flags(open, sign, flags, mod_seq).await {
                Ok(seen) => (now, mod_seq, begun) = (seen.flags, seen.mod_seq, true),
                Err(Error::PreconditionFailed) => return Ok(Attempt::Overtaken { begun }),
                Err(error) => return Err(error),
            }
        }
        Ok(Attempt::Done(now))
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
            Err(refusal) => {
                let add = sign == "+FLAGS";
                return Err(self.refused_store(open, add, flags, refusal).await);
            }
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

    /// What setting these flags of one object brings with it.
    async fn after_one(&self, open: &Open, before: Seen, add: Vec<Flag>) -> Result<(), Error> {
        let uid = open.located.uid;
        let marking = Marking {
            add: true,
            flags: add,
        };
        let mut outcomes = Outcomes::new();
        let before = [(uid, before.flags)].into();
        self.after(open, &before, &marking, &[uid], &mut outcomes)
            .await;
        outcomes
            .remove(&uid)
            .map_or(Ok(()), |outcome| outcome.map(drop))
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
pub(super) fn parse_all(names: &[String]) -> Result<Vec<Flag>, Error> {
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
pub(super) fn without_effect<'a>(flags: &'a [Flag], now: &[String], set: bool) -> Option<&'a Flag> {
    flags.iter().find(|flag| holds(now, flag.as_str()) != set)
}

/// Whether PERMANENTFLAGS has a flag, or has room for it.
pub(super) fn is_kept(selected: &Selected, flag: &Flag) -> bool {
    let keyword = !flag.as_str().starts_with('\\');
    let permanent = selected.permanent_flags.as_ref();
    permanent.is_none_or(|permanent| {
        permanent
            .iter()
            .any(|kept| flag.is(kept) || (keyword && kept == "\\*"))
    })
}

/// Flags in the spelling this store keeps them in: one that knows the flag of CPM has it with its backslash.
pub(super) fn as_kept(selected: &Selected, present: &[String], flags: Vec<Flag>) -> Vec<Flag> {
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
            uid_next: None,
            highest_mod_seq: None,
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
