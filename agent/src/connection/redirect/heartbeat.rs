//! The proxy's heartbeat, by which the kernel knows that connections are accepted.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::maps::{Array, Map, MapData};

use super::error::{KernelError, map, system};
use super::{Kernel, LookUpError, sys};

/// The proxy's end: the one map that it may write.
pub struct Heartbeat {
    map: Array<MapData, u64>,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Takes the map's descriptor, as [`Kernel::heartbeat_fd`] gave it.
    ///
    /// # Errors
    ///
    /// If it is no such map.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, LookUpError> {
        let not_the_map = |source| LookUpError::NotTheMap { source };
        let data = MapData::from_fd(fd).map_err(not_the_map)?;
        let map = Map::from_map_data(data).map_err(not_the_map)?;
        let map = Array::try_from(map).map_err(not_the_map)?;
        Ok(Self { map })
    }

    /// Shows that all of the proxy accepts.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn beat(&mut self) -> Result<(), LookUpError> {
        self.map
            .set(0, sys::boot_ns(), 0)
            .map_err(|source| LookUpError::Map { source })
    }
}

impl Kernel {
    /// Opens, for writing, the map that the proxy shows its heartbeat in, and no other.
    ///
    /// # Errors
    ///
    /// If the pin is gone or may not be opened.
    pub fn heartbeat_fd(&self) -> Result<OwnedFd, KernelError> {
        let path = self.pins.map("HEARTBEAT");
        sys::open_pin(&path).map_err(|source| system("open the pin", &path, source))
    }

    /// Shows a heartbeat for a proxy that is about to: when it is armed for, and while one replaces another as planned.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn beat(&mut self) -> Result<(), KernelError> {
        self.heartbeat
            .set(0, sys::boot_ns(), 0)
            .map_err(map("HEARTBEAT", "write"))
    }

    /// Tells how long ago the last heartbeat was.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn heartbeat_age(&self) -> Result<Duration, KernelError> {
        let beat = self
            .heartbeat
            .get(&0, 0)
            .map_err(map("HEARTBEAT", "read"))?;
        Ok(Duration::from_nanos(sys::boot_ns().saturating_sub(beat)))
    }

    /// Tells the age at which sessions' connects are refused.
    #[must_use]
    pub fn heartbeat_stale(&self) -> Duration {
        Duration::from_millis(self.told.stale_ms.into())
    }
}
