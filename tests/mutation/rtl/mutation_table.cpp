/// What the scripts of the mutation suite ask the table of mutants.
///
///     mutation_table list TABLE RTL_DIR [--only TEXT] [--sample N SEED]
///         Checks that every mutant of the table fits the RTL; prints those chosen, one a line:
///         name, file, kind, models separated by commas, and "equivalent" or "differs", between
///         tabs. --only chooses names that contain TEXT; --sample chooses N of those that differ.
///     mutation_table write TABLE RTL_DIR NAME FILE
///         Writes the mutant's RTL file to FILE.
///
/// Exit status: 0 good, 2 bad usage, a bad table or a mutant that does not fit.

#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>

#include "mutant_table.hpp"

namespace tessera::mutation {
namespace {

using Arguments = std::vector<std::string>;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || !text) throw MutantError("cannot read " + path);
  return text.str();
}

uint64_t number(const std::string& text) {
  if (text.empty() || text.size() > 18 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    throw MutantError("'" + text + "' is no number");
  }
  return std::stoull(text);
}

int list(const Arguments& arguments) {
  const MutantTable table(content(arguments[1]));
  std::vector<Mutant> chosen = table.mutants();
  std::string misfits;
  for (const Mutant& mutant : chosen) {
    try {
      mutated(mutant, content(arguments[2] + "/" + mutant.file));
    } catch (const MutantError& error) {
      misfits += error.what() + std::string("\n");
    }
  }
  if (!misfits.empty()) throw MutantError(misfits + "correct " + arguments[1]);
  const auto keep = [&chosen](const auto& wanted) {
    std::vector<Mutant> kept;
    for (const Mutant& mutant : chosen) {
      if (wanted(mutant)) kept.push_back(mutant);
    }
    chosen = kept;
  };
  for (std::size_t i = 3; i < arguments.size();) {
    if (arguments[i] == "--only" && i + 1 < arguments.size()) {
      const std::string& text = arguments[i + 1];
      keep([&text](const Mutant& mutant) { return mutant.name.find(text) != std::string::npos; });
      i += 2;
    } else if (arguments[i] == "--sample" && i + 2 < arguments.size()) {
      keep([](const Mutant& mutant) { return mutant.equivalent.empty(); });
      chosen = sample(chosen, number(arguments[i + 1]), number(arguments[i + 2]));
      i += 3;
    } else {
      throw MutantError("mutation_table list does not know " + arguments[i]);
    }
  }
  for (const Mutant& mutant : chosen) {
    std::string models;
    for (const std::string& model : table.checked_by(mutant.file)) {
      models += (models.empty() ? "" : ",") + model;
    }
    std::cout << mutant.name << '\t' << mutant.file << '\t' << mutant.kind << '\t' << models << '\t'
              << (mutant.equivalent.empty() ? "differs" : "equivalent") << '\n';
  }
  return 0;
}

int write(const Arguments& arguments) {
  const MutantTable table(content(arguments[1]));
  const Mutant& mutant = table.named(arguments[3]);
  const std::string text = mutated(mutant, content(arguments[2] + "/" + mutant.file));
  std::ofstream file(arguments[4], std::ios::binary);
  if (!(file << text)) throw MutantError("cannot write " + arguments[4]);
  return 0;
}

int run(const Arguments& arguments) {
  if (arguments.size() >= 3 && arguments[0] == "list") return list(arguments);
  if (arguments.size() == 5 && arguments[0] == "write") return write(arguments);
  throw MutantError(
      "usage: mutation_table list TABLE RTL_DIR [--only TEXT] [--sample N SEED]\n"
      "       mutation_table write TABLE RTL_DIR NAME FILE");
}

}  // namespace
}  // namespace tessera::mutation

int main(int argc, char** argv) {
  try {
    return tessera::mutation::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
