// The faces of the schema; each function adds files to the output.
#pragma once

#include "qapi/gen/output.h"
#include "qapi/gen/schema.h"

namespace rhea::gen {

// types-<subject>.h/.cc, commands-, events-, human-<subject>: structs, tables, declarations of bodies.
void emitTypes(const Schema& schema, Output& output);

// What one program has. dispatch.h is the same for all programs.
struct Program {
  std::string name;
  const Schema& schema;
  std::vector<const Entry*> commands;       // sorted by name
  std::vector<const Entry*> events;         // sorted by name
  std::vector<const Entry*> humanCommands;  // sorted by name
  std::vector<const Entry*> options;        // in the schema's order
  Program(std::string programName, const Schema& itsSchema);
};

void emitDispatch(const Program& program,
                  Output& output);  // dispatch.h, dispatch-<program>.cc, invoke-<program>-<subject>.cc
void emitHuman(const Program& program, Output& output);          // human-<program>.cc: forms
void emitIntrospection(const Program& program, Output& output);  // introspect-<program>.cc
void emitOptions(const Program& program, Output& output);        // options-<program>.cc
void emitCompletion(const Program& program, Output& output);     // completion/<program>.bash
void emitReference(const Program& program, Output& output);      // docs/
void emitExamples(const Program& program, Output& output);       // examples.json

// query-qmp-schema's reply.
std::string introspection(const Program& program);

}  // namespace rhea::gen
