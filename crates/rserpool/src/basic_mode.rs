// SPDX-License-Identifier: MIT OR Apache-2.0
//! Basic mode of the service drafts: the application asks who serves, connects by itself, and says who failed (seed 004 §4.3).

use std::net::SocketAddr;
use std::sync::Arc;

use rsp_core::offer::Offer;
use rsp_wire::parameter::PoolElement;
use rsp_wire::{PeId, PoolHandle};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::endpoint_task::Ask;
use crate::{Error, Items, PeHandle, PoolUser, Result};

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

    /// Transport.Failure, RFC 5352 §6.9.2: reports the server of a pool that does not answer at this address; `false` if the pool has none there.
    ///
    /// # Errors
    /// As [`PoolUser::resolve`].
    pub async fn transport_failure(&self, pool: impl Into<PoolHandle>, address: SocketAddr) -> Result<bool> {
        let pool = self.resolve(pool, Items::All).await?;
        let mut handles = pool.elements.iter().map(|element| PeHandle::of_element(&pool.handle, element));
        match handles.find(|pe| pe.addrs.contains(&address)) {
            Some(failed) => self.report_failure(&failed).await,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Reports a server as unreachable: ENDPOINT_UNREACHABLE, sent when there is a registrar, never waited for.
    pub async fn report_failure(&self, failed: &PeHandle) {
        self.endpoint().ask(Ask::Report { pool: failed.pool.clone(), pe_id: failed.id });
    }

    async fn select(&self, pool: PoolHandle, avoid: SmallVec<[PeId; 4]>) -> Result<PeHandle> {
        // Any mapping will do: the application connects by itself.
        let (pool, element) = self.select_offering(pool, avoid, SmallVec::new()).await?;
        Ok(PeHandle::of_element(&pool, &element))
    }

    /// A server of the pool, and the pool it was found in: its own, or that of a further mapping.
    pub(crate) async fn select_offering(
        &self,
        pool: PoolHandle,
        avoid: SmallVec<[PeId; 4]>,
        offers: SmallVec<[Offer; 3]>,
    ) -> Result<(PoolHandle, Arc<PoolElement>)> {
        let (answer, is_answered) = oneshot::channel();
        let ask = Ask::Select {
            pool,
            avoid,
            offers,
            answer: Box::new(move |pool, result| drop(answer.send((pool, result)))),
        };
        self.endpoint().ask(ask);
        let (pool, element) = is_answered.await.map_err(|_| Error::Closed)?;
        Ok((pool, element.map_err(Error::resolve)?))
    }
}
