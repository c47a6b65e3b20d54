// SPDX-License-Identifier: MIT
// Between hadal::Tensor and at::Tensor.
#include "backends/torch/torch_tensor.h"

namespace hadal {
namespace {

DType label_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
    case at::kDouble:
      return DType::f32;
    case at::kBFloat16:
      return DType::bf16;
    case at::kHalf:
      return DType::f16;
    case at::kChar:
      return DType::i8;
    case at::kByte:
      return DType::u8;
    case at::kInt:
      return DType::i32;
    case at::kLong:
      return DType::i64;
    case at::kBool:
      return DType::boolean;
    default:
      CHECK(false, "no label for ", c10::toString(type));
      return DType::f32;
  }
}

// FP8 is carried as bytes: libtorch 1.13 has no such type, and only prepare() looks inside.
at::ScalarType scalar_of(DType type) {
  switch (type) {
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::i8:
      return at::kChar;
    case DType::i32:
      return at::kInt;
    case DType::i64:
      return at::kLong;
    case DType::boolean:
      return at::kBool;
    default:
      return at::kByte;
  }
}

at::Tensor borrow(const Tensor& tensor) {
  auto keeper = [storage = tensor.storage()](void*) mutable { storage.reset(); };
  return at::from_blob(tensor.raw(), tensor.shape(), std::move(keeper),
                       at::TensorOptions(scalar_of(tensor.dtype())));
}

}  // namespace

void* TorchStorage::host_address() {
  if (!root_.device().is_cpu() || root_.scalar_type() == at::kDouble) return nullptr;
  // An empty tensor has no memory, but it is on the host all the same.
  static double nothing = 0;
  return root_.numel() == 0 ? &nothing : root_.data_ptr();
}

TorchStorage* torch_storage(const Tensor& tensor) {
  return dynamic_cast<TorchStorage*>(tensor.storage().get());
}

Tensor wrap(const at::Tensor& tensor) {
  const at::Tensor root = tensor.contiguous();
  return Tensor(label_of(root.scalar_type()), root.sizes().vec(),
                std::make_shared<TorchStorage>(root));
}

at::Tensor unwrap(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  const TorchStorage* storage = torch_storage(tensor);
  if (storage == nullptr) return borrow(tensor);
  const at::Tensor& root = storage->root();
  if (root.sizes() == at::IntArrayRef(tensor.shape())) return root;
  at::Tensor flat = root.view(-1);
  if (tensor.count() != root.numel()) flat = flat.narrow(0, tensor.offset(), tensor.count());
  return flat.view(tensor.shape());
}

}  // namespace hadal
