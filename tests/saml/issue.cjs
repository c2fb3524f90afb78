// Issues one SAML response, or the metadata, of npm `samlp`: arguments node_modules, key, certificate; options on stdin.
"use strict";
const fs = require("fs");
const path = require("path");

const [, , modules, keyFile, certificateFile] = process.argv;
const samlp = require(path.join(modules, "samlp"));
const { metadata, user, ...options } = JSON.parse(fs.readFileSync(0, "utf8"));
const provider = { key: fs.readFileSync(keyFile), cert: fs.readFileSync(certificateFile), ...options };

if (metadata) {
  const request = { headers: { host: "idp.example" }, protocol: "https", originalUrl: "" };
  const answer = { set() {}, send: (text) => process.stdout.write(text) };
  samlp.metadata({ redirectEndpointPath: "/sso", postEndpointPath: "/sso", ...provider })(request, answer);
} else {
  samlp.getSamlResponse(provider, user, (error, response) => {
    if (error) throw error;
    process.stdout.write(response);
  });
}
