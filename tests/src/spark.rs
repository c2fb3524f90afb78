//! Spark from a locked list, made at first use and kept beside the build. It comes as source and needs a Java runtime.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{install, java, python};

/// Gives the interpreter that has Spark.
pub fn interpreter() -> Result<PathBuf> {
    java::launcher()?;
    let list = |name: &str| python::folder("python").join(format!("{name}.lock.txt"));
    let lists = [list("spark-build"), list("spark")];
    let environment = install::kept("python", "spark", &lists, |environment| {
        install::run(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(environment),
        )?;
        for list in &lists {
            install::run(
                Command::new(environment.join("bin/python"))
                    .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                    .args(["--disable-pip-version-check", "--no-build-isolation"])
                    .args(["--only-binary", ":all:", "--no-binary", "pyspark"])
                    .args(["--require-hashes", "-r"])
                    .arg(list),
            )?;
        }
        Ok(())
    })?;
    Ok(environment.join("bin/python"))
}
