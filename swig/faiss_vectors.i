// The vectors that FAISS's module wraps and this one has in its classes: with
// these names faiss.vector_to_array and the like work on them.

namespace std {
template <class T>
class vector {
   public:
    size_t size();
};
} // namespace std

%template(Float32Vector) std::vector<float>;
%template(Int32Vector) std::vector<int32_t>;
%template(UInt8Vector) std::vector<uint8_t>;

%include "faiss/impl/maybe_owned_vector.h"
%template(MaybeOwnedVectorUInt8) faiss::MaybeOwnedVector<uint8_t>;
