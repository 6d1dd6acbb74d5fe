// What the schema must fulfil beyond the shape of its entries.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

// Resolves names of types, fills the schema's indexes and checks names, members, unions, alternates, human forms.
void resolve(Schema& schema, Complaints& complaints);

// Decides which members are held through Box<>, and sorts each file's types so that each stands behind those it holds.
void layOut(Schema& schema, Complaints& complaints);

// Holds the examples against the types. "..." stands for any value, and at the end of an array for any more items.
void checkExamples(const Schema& schema, Complaints& complaints);

}  // namespace rhea::gen
