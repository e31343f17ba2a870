#include "mutant_table.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <sstream>

namespace tessera::mutation {
namespace {

bool is_name(const std::string& text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

struct MutantTable::Reader {
  MutantTable& table;
  int line_number = 0;
  bool in_mutant = false;
  bool has_original = false;
  bool has_mutated = false;
  Mutant mutant = {};

  [[noreturn]] void fail(const std::string& what) const {
    throw MutantError("line " + std::to_string(line_number) + " of the mutants: " + what);
  }

  void set(std::string& member, const std::string& word, const std::string& value) const {
    if (!in_mutant) fail("'" + word + "' outside of a mutant");
    if (!member.empty()) fail("'" + word + "' stands twice in one mutant");
    if (value.empty()) fail("'" + word + "' has no value");
    member = value;
  }

  void add_line(std::string& text, bool& has, const std::string& line) const {
    if (!in_mutant) fail("an edit outside of a mutant");
    if (has) text += '\n';
    if (line.size() > 2) text += line.substr(2);
    has = true;
  }

  void read_checked(const std::string& value) {
    std::istringstream words(value);
    std::string file, model;
    words >> file;
    std::vector<std::string>& models = table.checked_by_[file];
    if (!models.empty()) fail(file + " is 'checked' twice");
    while (words >> model) {
      if (model != "pe" && model != "array") fail("a model is pe or array, not '" + model + "'");
      models.push_back(model);
    }
    if (models.empty()) fail("'checked' needs a file and a model");
  }

  void read(const std::string& line) {
    if (line.empty()) return finish();
    if (line[0] == '#') return;
    if (line == "-" || line.rfind("- ", 0) == 0)
      return add_line(mutant.original, has_original, line);
    if (line == "+" || line.rfind("+ ", 0) == 0) return add_line(mutant.mutated, has_mutated, line);
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, end);
    const std::size_t start = std::min(line.find_first_not_of(' ', end), line.size());
    const std::string value = line.substr(start);
    if (word == "checked") return read_checked(value);
    if (word == "mutant") {
      finish();
      in_mutant = true;
      if (!is_name(value)) fail("'" + value + "' is no name: use a-z, 0-9 and _");
      return set(mutant.name, word, value);
    }
    if (word == "file") return set(mutant.file, word, value);
    if (word == "kind") return set(mutant.kind, word, value);
    if (word == "equivalent") return set(mutant.equivalent, word, value);
    fail("'" + word + "' means nothing here");
  }

  void finish() {
    if (!in_mutant) return;
    const std::string in = " (mutant " + mutant.name + ")";
    if (mutant.file.empty() || mutant.kind.empty()) fail("a mutant needs a file and a kind" + in);
    if (!has_original || !has_mutated || mutant.original.empty()) {
      fail("a mutant needs lines with - and +" + in);
    }
    if (mutant.original == mutant.mutated) fail("the edit changes nothing" + in);
    for (const Mutant& other : table.mutants_) {
      if (other.name == mutant.name) fail("there are two mutants of this name" + in);
    }
    table.mutants_.push_back(mutant);
    mutant = {};
    in_mutant = has_original = has_mutated = false;
  }
};

MutantTable::MutantTable(const std::string& text) {
  Reader reader{*this};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    ++reader.line_number;
    reader.read(line);
  }
  reader.finish();
  for (const Mutant& mutant : mutants_) checked_by(mutant.file);
}

const Mutant& MutantTable::named(const std::string& name) const {
  for (const Mutant& mutant : mutants_) {
    if (mutant.name == name) return mutant;
  }
  throw MutantError("there is no mutant '" + name + "'");
}

const std::vector<std::string>& MutantTable::checked_by(const std::string& file) const {
  const auto found = checked_by_.find(file);
  if (found == checked_by_.end()) {
    throw MutantError("the mutants do not say what " + file + " is 'checked' by");
  }
  return found->second;
}

std::string mutated(const Mutant& mutant, const std::string& text) {
  const std::size_t at = text.find(mutant.original);
  const bool twice =
      at != std::string::npos && text.find(mutant.original, at + 1) != std::string::npos;
  if (at == std::string::npos || twice) {
    throw MutantError("mutant " + mutant.name + ": its original text occurs " +
                      (twice ? "more than once" : "nowhere") + " in " + mutant.file + ":\n" +
                      mutant.original);
  }
  return text.substr(0, at) + mutant.mutated + text.substr(at + mutant.original.size());
}

std::vector<Mutant> sample(const std::vector<Mutant>& from, std::size_t count, uint64_t seed) {
  std::vector<std::size_t> order(from.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  for (std::size_t left = order.size(); left > 1; --left) {
    std::swap(order[left - 1], order[random() % left]);
  }
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  std::vector<Mutant> chosen;
  for (const std::size_t at : order) chosen.push_back(from[at]);
  return chosen;
}

}  // namespace tessera::mutation
