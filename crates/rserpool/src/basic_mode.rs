// SPDX-License-Identifier: MIT OR Apache-2.0
//! Basic mode of the service drafts: the application asks who serves, connects by itself, and says who failed (seed 004 §4.3).

use rsp_wire::PoolHandle;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::endpoint_task::Ask;
use crate::{Error, PeHandle, PoolUser, Result};

impl PoolUser {
    /// GET_PRIMARY_SERVER: a server of the pool, picked by its policy.
    ///
    /// # Errors
    /// [`Error::NoRegistrar`], [`Error::UnknownPool`], [`Error::Rejected`].
    pub async fn get_primary_server(&self, pool: impl Into<PoolHandle>) -> Result<PeHandle> {
        self.select(pool.into(), SmallVec::new()).await
    }

    /// GET_NEXT_SERVER: reports `failed` and picks another, in one call. The failed one is offered again only when there is no other.
    ///
    /// # Errors
    /// As [`PoolUser::get_primary_server`].
    pub async fn get_next_server(&self, failed: &PeHandle) -> Result<PeHandle> {
        self.report_failure(failed).await;
        self.select(failed.pool.clone(), SmallVec::from_slice(&[failed.id])).await
    }

    /// Reports a server as unreachable: ENDPOINT_UNREACHABLE, sent when there is a registrar, never waited for.
    pub async fn report_failure(&self, failed: &PeHandle) {
        self.endpoint().ask(Ask::Report { pool: failed.pool.clone(), pe_id: failed.id });
    }

    async fn select(&self, pool: PoolHandle, avoid: SmallVec<[rsp_wire::PeId; 4]>) -> Result<PeHandle> {
        let (answer, is_answered) = oneshot::channel();
        // Any mapping will do: the application connects by itself.
        let ask = Ask::Select {
            pool,
            avoid,
            offers: SmallVec::new(),
            answer: Box::new(move |pool, result| drop(answer.send((pool, result)))),
        };
        self.endpoint().ask(ask);
        let (pool, element) = is_answered.await.map_err(|_| Error::Closed)?;
        Ok(PeHandle::of_element(&pool, &*element.map_err(Error::resolve)?))
    }
}
