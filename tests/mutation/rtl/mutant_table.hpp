#pragma once

/// Mutants: edits of the RTL, each a mistake that somebody could make.
///
/// A table is a text file of blocks, each ended by an empty line or the end of the file; a line
/// that starts with # is a comment. A block is either where the mutants of a file are looked for,
///
///     checked pe_core.sv pe array
///
/// or a mutant: its name, its file, its kind, the lines to be replaced and what replaces them, and,
/// if nothing that a user of the RTL can see changes, the reason for that:
///
///     mutant   core_overflow_survives_clear
///     file     pe_core.sv
///     kind     dropped overflow
///     - (overflow_q & ~clear_q)
///     + overflow_q
///     equivalent because ...
///
/// What stands behind "- " and "+ " is taken as it is, spaces included; several such lines are
/// joined by line ends. It need not be whole lines of the file.

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::mutation {

/// A table that cannot be read, or a mutant that does not fit the RTL.
class MutantError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Mutant {
  std::string name;  ///< lower-case letters, digits and _
  std::string file;  ///< in the folder of the RTL
  std::string kind;
  std::string original;
  std::string mutated;
  std::string equivalent;  ///< why nothing changes; empty: something does
};

class MutantTable {
 public:
  /// Throws MutantError that names the line: an unknown word, a member missing or given twice, a
  /// name used twice, a file without a `checked` block, an edit that changes nothing.
  explicit MutantTable(const std::string& text);

  const std::vector<Mutant>& mutants() const { return mutants_; }

  /// Throws MutantError if there is none of this name.
  const Mutant& named(const std::string& name) const;

  /// The models, "pe", "array" or both, with which mutants of `file` are looked for, in this order.
  const std::vector<std::string>& checked_by(const std::string& file) const;

 private:
  struct Reader;

  std::vector<Mutant> mutants_;
  std::map<std::string, std::vector<std::string>> checked_by_;
};

/// `text`, the content of mutant.file, with the edit. Throws MutantError unless the original text
/// occurs exactly once.
std::string mutated(const Mutant& mutant, const std::string& text);

/// `count` different mutants of those in `from`, or all if there are fewer, in the order of `from`.
/// The choice depends on the seed alone, on every machine.
std::vector<Mutant> sample(const std::vector<Mutant>& from, std::size_t count, uint64_t seed);

}  // namespace tessera::mutation
