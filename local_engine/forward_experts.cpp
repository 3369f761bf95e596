// Feed-forward blocks. Dense ones are the case of one expert that every row visits. Rows are sorted
// by expert, so that each expert's weights are read once for all of its rows.
#include "local_engine/forward_state.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kUnitRows = 32;  // of gate and up: one int8 block of `hidden`

}  // namespace

void Forward::State::feed_forward(const Layer& layer) {
  const std::size_t n = rows.size();
  const bool routed = shape.router.experts > 0;
  const bool int8 = takes_int8(layer.experts.gate.type) || takes_int8(layer.experts.up.type) ||
                    takes_int8(layer.router.type) || takes_int8(layer.shared.gate.type);
  each_row(n, [&](std::size_t row) {
    add_delta(layer.o_bias, row);
    norm_row(row, layer.feed_forward_norm, int8);
  });
  if (routed) {
    route(layer);
    group_by_expert();
    expert_visits += groups.size();
    gather(takes_int8(layer.experts.gate.type), !takes_int8(layer.experts.up.type));
    run_block(layer.experts, true);
    each_row(n, [&](std::size_t row) { add_experts(layer.experts, row); });
  }
  if (routed && !layer.shared.gate) return;
  group_all();
  const FeedForward& dense = routed ? layer.shared : layer.experts;
  run_block(dense, false);
  each_row(n, [&](std::size_t row) { add_delta(dense.down_bias, row); });
}

void Forward::State::group_all() {
  groups.assign(1, {0, 0, static_cast<std::uint32_t>(rows.size())});
}

void Forward::State::route(const Layer& layer) {
  const std::size_t n = rows.size();
  products.assign(1, {&layer.router, 0, &normed, 0, n, router_logits.data(), router_stride});
  run_products();
  const std::size_t used = shape.router.used;
  each_row(n, [&](std::size_t row) {
    const std::span<float> scores(router_logits.data() + row * router_stride, shape.router.experts);
    for (std::size_t e = 0; e < layer.router_bias.size(); ++e) scores[e] += layer.router_bias[e];
    route_token(shape.router, scores, std::span(routes).subspan(row * used, used));
  });
}

void Forward::State::group_by_expert() {
  const std::size_t pairs = rows.size() * shape.router.used;
  // Counting sort: stable, so an expert's rows keep their order.
  std::vector<std::uint32_t>& next = expert_next;
  next.assign(shape.router.experts + 1, 0);
  for (std::size_t i = 0; i < pairs; ++i) ++next[routes[i].expert + 1];
  groups.clear();
  for (std::uint32_t e = 0; e < shape.router.experts; ++e) {
    const std::uint32_t count = next[e + 1];
    next[e + 1] += next[e];
    if (count > 0) groups.push_back({e, next[e], count});
  }
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::uint32_t pair = next[routes[i].expert]++;
    pair_of[i] = pair;
    token_of[pair] = static_cast<std::uint32_t>(i / shape.router.used);
  }
}

// Rows of experts with several, side by side. Single rows are read where they are.
void Forward::State::gather(bool as_int8, bool as_floats) {
  gather_list.clear();
  for (const ExpertGroup& group : groups) {
    if (group.count == 1) continue;
    for (std::uint32_t i = 0; i < group.count; ++i) gather_list.push_back(group.first + i);
  }
  each_row(gather_list.size(), [&](std::size_t i) {
    const std::size_t pair = gather_list[i];
    if (as_int8) gathered.copy_row(pair, normed, token_of[pair], true);
    if (as_floats || !as_int8) gathered.copy_row(pair, normed, token_of[pair], false);
  });
}

void Forward::State::run_block(const FeedForward& ff, bool routed) {
  unit_counts.clear();
  unit_costs.clear();
  for (const ExpertGroup& group : groups) {
    unit_counts.push_back((ff.gate.rows + kUnitRows - 1) / kUnitRows);
    unit_costs.push_back(2 * (tile_ns(ff.gate, group.count) + tile_ns(ff.up, group.count)));
  }
  cut_pieces(unit_counts, unit_costs);
  visit_block(ff);
  pool.run(pieces.size(),
           [&](std::size_t i, unsigned thread) { gate_piece(ff, pieces[i], routed, thread); });
  products.clear();
  for (const ExpertGroup& group : groups) {
    products.push_back({&ff.down, group.expert, &hidden, group.first, group.count,
                        delta.data() + group.first * delta_stride, delta_stride});
  }
  run_products();
}

void Forward::State::visit_block(const FeedForward& ff) {
  if (model.packer->finished()) return;
  for (const ExpertGroup& group : groups) {
    model.packer->visit(ff.gate, group.expert);
    model.packer->visit(ff.up, group.expert);
  }
  model.packer->pack_due(pool);
}

void Forward::State::gate_piece(const FeedForward& ff, const Piece& piece, bool routed,
                                unsigned thread) {
  Scratch& own = scratch[thread];
  const ExpertGroup& group = groups[piece.product];
  const bool lone = routed && group.count == 1;
  const Activations& in = routed && !lone ? gathered : normed;
  const std::size_t in_row = lone ? token_of[group.first] : group.first;
  constexpr std::size_t kUnits = kGateRows / kUnitRows;
  MatmulArgs args;
  args.columns = ff.gate.columns;
  args.out_stride = kGateStride;
  for (std::size_t first = piece.first; first < piece.last; first += kUnits) {
    const std::size_t last = std::min<std::size_t>(piece.last, first + kUnits);
    const std::size_t tile = first * 2;
    args.last = std::min(last * 2, ff.gate.tiles()) - tile;
    std::byte* const two = own.tiles.data() + own.tiles.size() / 2;
    const std::byte* gate =
        tiles_at(ff.gate, group.expert, tile, tile + args.last, own.tiles.data());
    const std::byte* up = tiles_at(ff.up, group.expert, tile, tile + args.last, two);
    for (std::size_t t = 0; t < group.count; t += kGateTokens) {
      args.tokens = std::min<std::size_t>(kGateTokens, group.count - t);
      args.int8 = in.int8(in_row + t);
      args.floats = in.float_rows(in_row + t);
      args.slice = gate;
      args.out = own.gate.data();
      kernels.matmul(ff.gate.type, args);
      args.slice = up;
      args.out = own.up.data();
      kernels.matmul(ff.up.type, args);
      for (std::size_t i = 0; i < args.tokens; ++i) {
        activate(ff, group.expert, group.first + t + i, first * kUnitRows,
                 std::min(last * kUnitRows, ff.gate.rows), own.gate.data() + i * kGateStride,
                 own.up.data() + i * kGateStride);
      }
    }
  }
}

// hidden[pair][first..last) from gate and up, which hold those rows from their start.
void Forward::State::activate(const FeedForward& ff, std::size_t expert, std::size_t pair,
                              std::size_t first, std::size_t last, float* gate, float* up) {
  const std::size_t count = last - first;
  const std::size_t at = expert * ff.gate.rows + first;
  if (!ff.gate_bias.empty()) kernels.add_scaled(gate, ff.gate_bias.data() + at, 1, count);
  if (!ff.up_bias.empty()) kernels.add_scaled(up, ff.up_bias.data() + at, 1, count);
  float* out = hidden.row(pair) + first;
  const GateArgs args = {gate, up, out, count};
  if (shape.activation == Activation::swiglu) {
    kernels.swiglu(args);
  } else {
    kernels.clamped_swiglu(args);
  }
  const std::size_t padded = round_up(count, kUnitRows);
  std::fill(out + count, out + padded, 0.0F);
  if (!takes_int8(ff.down.type)) return;
  const Int8Rows to = hidden.int8(pair);
  for (std::size_t i = 0; i < padded; i += kUnitRows) {
    kernels.quantize_block(out + i, to, (first + i) / kUnitRows);
  }
}

void Forward::State::add_experts(const FeedForward& ff, std::size_t row) {
  float* to = x.row(row);
  for (std::size_t i = row * shape.router.used; i < (row + 1) * shape.router.used; ++i) {
    const float weight = routes[i].weight * shape.residual_scale;
    kernels.add_scaled(to, delta.data() + pair_of[i] * delta_stride, weight, shape.embedding);
    if (ff.down_bias.empty()) continue;
    const float* bias = ff.down_bias.data() + routes[i].expert * std::size_t{shape.embedding};
    kernels.add_scaled(to, bias, weight, shape.embedding);
  }
}

}  // namespace jevons::engine
