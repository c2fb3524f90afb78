//! A permit comes from policy alone.

use icecore::policy::Permit;
use icecore::statement::Statement;

fn main() {
    let statement = Statement::read("drop table t");
    let _permit = Permit { statement, rules: Vec::new(), overruled: None };
}
