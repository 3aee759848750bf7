// SPDX-License-Identifier: MIT OR Apache-2.0
//! The handle translation cache at the application's disposal, RFC 5352 §6.3 and §6.4.

use rsp_core::endpoint::Freshness;
use rsp_wire::PoolHandle;
use tokio::sync::oneshot;

use crate::endpoint_task::Ask;
use crate::{Error, PeHandle, PoolUser, Result};

impl PoolUser {
    /// CachePopulateRequest: asks a registrar for the pool, or for that of a server, so that later requests are answered from the cache.
    ///
    /// # Errors
    /// As [`PoolUser::resolve`].
    //= https://www.rfc-editor.org/rfc/rfc5352#section-6.3
    //# If the address type is a Pool Handle and a local handle translation
    //# cache exists, the ASAP Endpoint should initiate a mapping information
    //# query by sending an ASAP_HANDLE_RESOLUTION message on the Pool handle
    //# and updating its local cache when the response comes back from the
    //# ENRP server.
    pub async fn cache_populate(&self, pool: impl Into<PoolHandle>) -> Result<()> {
        let (answer, is_answered) = oneshot::channel();
        self.endpoint().ask(Ask::populate(pool.into(), Freshness::Fresh, move |result| drop(answer.send(result))));
        is_answered.await.map_err(|_| Error::Closed)?.map_err(Error::resolve)
    }

    /// CachePurgeRequest: forgets what is known of the pool, or of that of a server. Sessions go on.
    pub fn cache_purge(&self, pool: impl Into<PoolHandle>) {
        self.endpoint().ask(Ask::Purge(pool.into()));
    }
}

/// "The Pool Handle is unpacked from the Pool-Element-Handle" (RFC 5352 §6.3).
impl From<&PeHandle> for PoolHandle {
    fn from(pe: &PeHandle) -> Self {
        pe.pool.clone()
    }
}
