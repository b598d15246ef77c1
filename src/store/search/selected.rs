//! The objects that a bulk operation selects by criteria (product: bulkUpdate, bulkDelete by selectionCriteria).

use super::{
    criteria::{Query, Subject},
    folder::Folder,
    max_entries,
};
use crate::{
    nms::{self, SelectionCriteria},
    store::{Account, Error, id::MailboxKey},
};

/// Messages looked at together.
const TOGETHER: usize = 32;
/// Messages that one selection looks at.
const MOST_LOOKED_AT: usize = 20_000;

impl Account {
    /// Ids of all objects that meet the criteria, in the order of a search; at most `most`, or as many as they say.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] `selectionCriteria` when neither criteria nor scope bound it or more are selected, with the member for all else
    /// that is wrong; [`Error::InvalidValue`] for a preset or a type that is not known; [`Error::Unsupported`] `searchCriteria` when too
    /// much would have to be looked at.
    pub async fn selected(
        &self,
        urls: &nms::Urls,
        asked: &SelectionCriteria,
        most: usize,
    ) -> Result<Vec<String>, Error> {
        let invalid = |part: &str| Error::InvalidInput(part.to_owned());
        if asked.from_cursor.is_some() {
            return Err(invalid("fromCursor"));
        }
        if let Some(member) = asked.sort_member() {
            return Err(invalid(member));
        }
        if asked.search_criteria.is_none() && asked.search_scope.is_none() {
            return Err(invalid("selectionCriteria"));
        }
        let most = max_entries(asked, most)?;
        let query = self.query(asked, Subject::Selection)?;
        if asked.search_scope.is_none() && query.is_met_by_all() {
            return Err(invalid("selectionCriteria"));
        }
        let (tree, scope) = self.searched(urls, asked).await?;
        let census = self.census(&tree, &scope, false).await?;
        let mut selected = Vec::new();
        let mut looked_at = 0;
        for mut folder in self.folders_in(&tree, &scope, &census) {
            if folder.may_have(&query) {
                self.select_in(&query, &mut folder, most, &mut looked_at, &mut selected)
                    .await?;
            }
        }
        // As for a list of them: what has just come from elsewhere has the id it had there.
        self.settled().await?;
        let ids = selected.iter();
        Ok(ids.map(|(key, uid)| self.object_text(key, *uid)).collect())
    }

    async fn select_in(
        &self,
        query: &Query,
        folder: &mut Folder,
        most: usize,
        looked_at: &mut usize,
        selected: &mut Vec<(MailboxKey, u32)>,
    ) -> Result<(), Error> {
        let candidates = self.candidates(folder, query, None).await?;
        let too_many = || Error::InvalidInput("selectionCriteria".to_owned());
        if candidates.exact {
            if selected.len() + candidates.uids.len() > most {
                return Err(too_many());
            }
            let ids = candidates.uids.iter();
            selected.extend(ids.map(|uid| (folder.at.key.clone(), *uid)));
            return Ok(());
        }
        let worth = self
            .worth_a_look(query, folder, &candidates.uids, candidates.uids.len())
            .await?;
        for uids in worth.uids.chunks(TOGETHER) {
            *looked_at += uids.len();
            if *looked_at > MOST_LOOKED_AT {
                return Err(Error::Unsupported("searchCriteria".to_owned()));
            }
            for mut hit in self.look_at(folder, uids).await? {
                if !self.is_hit(query, &folder.path, &mut hit).await? {
                    continue;
                }
                if selected.len() == most {
                    return Err(too_many());
                }
                selected.push((hit.located.key, hit.located.uid));
            }
        }
        Ok(())
    }
}
