//! Any bytes are one call of an MCP server or an error, and any body becomes one answer under its id.

#![no_main]

use icecore::snowflake::answer::Body;
use icecore::snowflake::json::Object;
use icecore::snowflake::mcp::{self, Method, Tools};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(tools) = Tools::of_spec(text)
    {
        assert!(tools.sql_tools().all(|tool| tools.sql_tool(&tool.name).is_ok()));
    }
    let Ok(call) = mcp::read(body) else { return };
    let Some(id) = call.id else { return };
    if let Method::CallTool { arguments, .. } = &call.method {
        let members = arguments.members().count();
        assert!(mcp::statement(arguments).is_err() || members == 1);
    }
    for status in [200, 422] {
        let told = mcp::told(&id, &Body::new(status, body.to_vec().into()));
        let told = Object::read(told.text()).expect("what leaves is JSON");
        assert_eq!(told.raw("id").map(|raw| raw.get()), Some(id.raw().get()));
    }
});
