#include "audit/table_fit.h"

#include <algorithm>

#include "base/encoding.h"
#include "ledger/position_key.h"

namespace pgtally {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

// Under later definitions, and then in the table.
std::string TableFit::name_now(std::uint32_t definition, std::string column) const {
  for (auto later = definitions_.upper_bound(definition); later != definitions_.end(); ++later) {
    for (const RenamedColumn& renamed : later->second.renamed) {
      if (renamed.from != column) continue;
      column = renamed.to;
      break;  // two columns may have changed their names
    }
  }
  const auto since = renamed_since_.find(column);
  return since == renamed_since_.end() ? column : since->second;
}

void TableFit::want(const std::string& column) {
  if (!column.empty() && !contains(columns_, column)) columns_.push_back(column);
}

TableFit::Shape TableFit::shape(const SourceDefinition& definition, const TableShape& table) const {
  Shape shape;
  const auto add = [&](const std::string& name) {
    const std::string now = name_now(definition.number, name);
    shape.covered.emplace_back(name, table.column(now) == nullptr ? "" : now);
  };
  if (definition.content == ContentKind::kColumn) {
    shape.is_hash_column = true;
    add(*definition.hash_column);
  } else {
    for (const ColumnDefinition& column : definition.columns) add(column.name);
  }
  std::sort(shape.covered.begin(), shape.covered.end());
  return shape;
}

// What the table has first, in the order of columns_; then what it has no longer, which is NULL.
Result<void> TableFit::make_encoder(Shape& shape) const {
  SourceDefinition alone;  // of the content; the key is everybody's
  alone.source = newest_.source;
  shape.names.assign(columns_.size(), "");
  for (const auto& [name, column] : shape.covered) {
    if (column.empty()) {
      shape.names.push_back(name);
    } else {
      const auto place = std::find(columns_.begin(), columns_.end(), column) - columns_.begin();
      shape.names[static_cast<std::size_t>(place)] = name;
    }
    alone.columns.push_back({name, "", -1});
  }
  if (shape.is_hash_column) {
    alone.content = ContentKind::kColumn;
    alone.hash_column = shape.covered.front().first;
    alone.columns.clear();
  }
  TRY(shape.encoder, RowEncoder::make(alone, shape.names));
  return {};
}

Result<TableFit> TableFit::make(const Definitions& definitions, const std::set<std::uint32_t>& used,
                                const TableShape& table, const Renamings& renamed_since) {
  if (definitions.empty()) return reject("none of its definitions is known");
  TableFit fit;
  fit.definitions_ = definitions;
  fit.renamed_since_ = renamed_since;
  fit.newest_ = definitions.rbegin()->second;
  if (!has_position_key(fit.newest_)) {
    for (const std::string& name : fit.newest_.key) {
      const std::string now = fit.name_now(fit.newest_.number, name);
      if (table.column(now) == nullptr) {
        return reject("column " + quoted(now) + " of its key is not in " + table.qualified +
                      " any more");
      }
      fit.columns_.push_back(now);
    }
  }
  for (const std::uint32_t number : used) {
    const auto definition = definitions.find(number);
    if (definition == definitions.end()) continue;
    Shape shape = fit.shape(definition->second, table);
    for (const auto& [name, column] : shape.covered) {
      fit.want(column);
      if (column.empty()) fit.gone_[number].push_back(fit.name_now(number, name));
    }
    const auto same = std::find_if(fit.shapes_.begin(), fit.shapes_.end(), [&](const Shape& other) {
      return other.covered == shape.covered && other.is_hash_column == shape.is_hash_column;
    });
    fit.shape_of_[number] = static_cast<std::size_t>(same - fit.shapes_.begin());
    if (same == fit.shapes_.end()) fit.shapes_.push_back(std::move(shape));
  }
  for (Shape& shape : fit.shapes_) TRY_VOID(fit.make_encoder(shape));
  return fit;
}

RowEncoder::Values TableFit::values_for(const Shape& shape, RowEncoder::Values values) {
  if (shape.names.size() == columns_.size()) return values;
  values_.assign(values.begin(), values.end());
  values_.resize(shape.names.size());
  return values_;
}

Result<bool> TableFit::append_preimage(std::size_t shape, RowEncoder::Values values, Bytes& out) {
  const Shape& s = shapes_[shape];
  if (values.size() != columns_.size()) return reject("a row has another number of columns");
  return s.encoder->append_preimage(values_for(s, values), out);
}

Result<std::optional<Hash>> TableFit::content(std::size_t shape, RowEncoder::Values values) {
  const Shape& s = shapes_[shape];
  if (values.size() != columns_.size()) return reject("a row has another number of columns");
  auto content = s.encoder->content(values_for(s, values));
  if (content.ok()) return std::optional(*content);
  if (s.is_hash_column) return std::optional<Hash>();
  return std::move(content).error();
}

std::optional<std::size_t> TableFit::shape_of(std::uint32_t definition) const {
  const auto found = shape_of_.find(definition);
  return found == shape_of_.end() ? std::nullopt : std::optional(found->second);
}

const std::vector<std::string>& TableFit::gone(std::uint32_t definition) const {
  static const std::vector<std::string> none;
  const auto found = gone_.find(definition);
  return found == gone_.end() ? none : found->second;
}

bool TableFit::is_expected(const std::string& column) const {
  const auto is_it = [&](const std::string& name) {
    return name_now(newest_.number, name) == column;
  };
  return (newest_.hash_column && is_it(*newest_.hash_column)) ||
         std::any_of(newest_.columns.begin(), newest_.columns.end(),
                     [&](const ColumnDefinition& c) { return is_it(c.name); });
}

std::vector<std::string> TableFit::not_covered(const std::set<std::uint32_t>& living,
                                               const TableShape& table) const {
  std::set<std::uint32_t> definitions = living;
  definitions.insert(newest_.number);
  std::vector<std::string> out;
  for (const TableColumn& column : table.columns) {
    bool everywhere = true;
    for (const std::uint32_t number : definitions) {
      const auto definition = definitions_.find(number);
      if (definition == definitions_.end()) continue;
      const auto is_it = [&](const std::string& name) {
        return name_now(number, name) == column.name;
      };
      const SourceDefinition& d = definition->second;
      const bool covered =
          std::any_of(d.key.begin(), d.key.end(), is_it) ||
          (d.content == ContentKind::kColumn
               ? is_it(*d.hash_column)
               : std::any_of(d.columns.begin(), d.columns.end(),
                             [&](const ColumnDefinition& c) { return is_it(c.name); }));
      everywhere = everywhere && covered;
    }
    if (!everywhere) out.push_back(column.name);
  }
  return out;
}

}  // namespace pgtally
