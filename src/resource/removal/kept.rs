//! Data that outlive their server.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use crate::host::{Host, Probe};
use crate::resource::{Drift, Resource};
use crate::resume::{COMPLETE, DATA_KEPT};

/// It is on record that a complete installation left its data here, so that the next one makes no empty database in their stead.
#[derive(Debug)]
pub struct DataKept;

impl fmt::Display for DataKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on record: the data stay")
    }
}

#[async_trait]
impl Resource for DataKept {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let complete = host.stat(Path::new(COMPLETE)).await?.is_some();
        Ok(if complete { Drift::to_do(format!("rename {COMPLETE} to {DATA_KEPT}")) } else { Drift::none() })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        Ok(host.rename(Path::new(COMPLETE), Path::new(DATA_KEPT)).await?)
    }
}
