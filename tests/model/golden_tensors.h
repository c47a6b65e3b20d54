// SPDX-License-Identifier: MIT
// Golden files for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/safetensors.h"

namespace hadal {

inline std::string golden_folder(const std::string& name) {
  return std::string(HADAL_TESTS_DIR) + "/goldens/" + name;
}

inline Safetensors golden_file(const std::string& name) {
  Result<Safetensors> file = Safetensors::open(golden_folder(name));
  if (!file) throw std::runtime_error(file.error().message);
  return file.take();
}

inline nlohmann::json golden_json(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(golden_folder(name)));
}

inline Tensor golden(const Safetensors& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  return tensor ? *tensor : Tensor{};
}

inline void expect_close(const Tensor& found, const Tensor& expected, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(found.count(), expected.count()) << what;
  for (int64_t i = 0; i < found.count(); ++i)
    ASSERT_NEAR(found.data<float>()[i], expected.data<float>()[i],
                tolerance * (1 + std::fabs(expected.data<float>()[i])))
        << what << "[" << i << "]";
}

}  // namespace hadal
