//! A permit comes from policy alone.

use icecore::policy::{Permit, Taken};
use icecore::statement::{Scope, Statement};

fn main() {
    let statement = Statement::read("drop table t", &Scope::new(&|_| false));
    let _permit = Permit { statement, rules: Vec::new(), flags: Vec::new(), taken: Taken::default(), overruled: None };
}
