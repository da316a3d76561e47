// A client from scratch: PORT [KEY_FILE]. It does InitConnect (with a key: RSA, then AES_CBC), asks both
// questions and prints each answer as a line of JSON. Status 1: the gateway refused; the line has the reason.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <google/protobuf/util/json_util.h>

#include "Common.pb.h"
#include "InitConnect.pb.h"
#include "Qot_Common.pb.h"
#include "Qot_GetArkStockDynamic.pb.h"
#include "Qot_GetRatingChange.pb.h"

namespace {

constexpr std::uint32_t kInitConnect = 1001;
constexpr std::uint32_t kGetArkStockDynamic = 3424;
constexpr std::uint32_t kGetRatingChange = 3426;
constexpr int kPkcs1PaddingSize = 11;
constexpr int kTimeoutSeconds = 10;

// The header of a packet, little-endian like every machine that this is built for.
#pragma pack(push, 1)
struct Head {
    char flag[2] = {'F', 'T'};
    std::uint32_t proto_id = 0;
    std::uint8_t body_format = 0;
    std::uint8_t version = 0;
    std::uint32_t serial = 0;
    std::uint32_t body_size = 0;
    unsigned char sha1[SHA_DIGEST_LENGTH] = {};
    char reserved[8] = {};
};
#pragma pack(pop)
static_assert(sizeof(Head) == 44);

void check(bool fine, const char* what) {
    if (!fine) throw std::runtime_error(what);
}

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(&text[0]); }

const unsigned char* bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

// RSA PKCS#1 v1.5, block by block, with the private key that gateway and client share.
class RsaKey {
public:
    explicit RsaKey(const char* path) {
        FILE* file = std::fopen(path, "r");
        check(file != nullptr, "the key file cannot be read");
        key_.reset(PEM_read_PrivateKey(file, nullptr, nullptr, nullptr));
        std::fclose(file);
        check(key_ != nullptr, "the key file is no PEM private key");
    }

    std::string encrypt(const std::string& plain) const {
        return apply(plain, size() - kPkcs1PaddingSize, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt);
    }

    std::string decrypt(const std::string& encrypted) const {
        return apply(encrypted, size(), EVP_PKEY_decrypt_init, EVP_PKEY_decrypt);
    }

private:
    std::size_t size() const { return EVP_PKEY_get_size(key_.get()); }

    template <typename Init, typename Step>
    std::string apply(const std::string& input, std::size_t step_size, Init init, Step step) const {
        std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
            EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
        check(init(context.get()) == 1, "RSA cannot start");
        check(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1, "no PKCS#1 padding");
        std::string output;
        for (std::size_t start = 0; start < input.size(); start += step_size) {
            const std::string chunk = input.substr(start, step_size);
            std::string block(size(), '\0');
            std::size_t length = block.size();
            check(step(context.get(), bytes(block), &length, bytes(chunk), chunk.size()) == 1,
                  "RSA fails: another key?");
            output.append(block, 0, length);
        }
        return output;
    }

    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
};

// AES-128-CBC with PKCS#7 padding; each packet starts from the IV.
std::string aes_cbc(bool encrypt, const std::string& key, const std::string& iv, const std::string& input) {
    check(key.size() == 16 && iv.size() == 16, "the AES key and IV have 16 bytes");
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                            EVP_CIPHER_CTX_free);
    std::string output(input.size() + 16, '\0');
    int first = 0, last = 0;
    check(EVP_CipherInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, bytes(key), bytes(iv), encrypt) == 1 &&
              EVP_CipherUpdate(context.get(), bytes(output), &first, bytes(input), input.size()) == 1 &&
              EVP_CipherFinal_ex(context.get(), bytes(output) + first, &last) == 1,
          "AES fails");
    output.resize(first + last);
    return output;
}

class Client {
public:
    Client(std::uint16_t port, const char* key_file) {
        if (key_file != nullptr) key_ = std::make_unique<RsaKey>(key_file);
        timeval patience{kTimeoutSeconds, 0};
        setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        check(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "no connection");
        init_connect();
    }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { close(socket_); }

    // Asks, and returns the S2C of the answer. Throws the sentence of a refusal.
    template <typename Response, typename Request>
    auto ask(std::uint32_t proto_id, const Request& request) {
        send_packet(proto_id, request.SerializeAsString());
        Response response;
        check(response.ParseFromString(receive_packet(proto_id)), "the answer does not parse");
        if (response.rettype() != Common::RetType_Succeed) throw std::runtime_error(response.retmsg());
        return response.s2c();
    }

    int encrypted_answers() const { return encrypted_answers_; }

private:
    void init_connect() {
        InitConnect::Request request;
        request.mutable_c2s()->set_clientver(1);
        request.mutable_c2s()->set_clientid("cpp");
        request.mutable_c2s()->set_programminglanguage("C++");
        request.mutable_c2s()->set_packetencalgo(key_ ? Common::PacketEncAlgo_AES_CBC
                                                      : Common::PacketEncAlgo_None);
        const auto s2c = ask<InitConnect::Response>(kInitConnect, request);
        aes_key_ = s2c.connaeskey();
        aes_iv_ = s2c.aescbciv();
    }

    void send_packet(std::uint32_t proto_id, const std::string& plain) {
        Head head;
        SHA1(bytes(plain), plain.size(), head.sha1);
        const std::string body = !key_                      ? plain
                                 : proto_id == kInitConnect ? key_->encrypt(plain)
                                                            : aes_cbc(true, aes_key_, aes_iv_, plain);
        head.proto_id = proto_id;
        head.serial = ++serial_;
        head.body_size = body.size();
        const std::string packet = std::string(reinterpret_cast<char*>(&head), sizeof head) + body;
        check(send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL) == ssize_t(packet.size()),
              "the packet was not sent");
    }

    std::string receive_packet(std::uint32_t proto_id) {
        Head head;
        receive(&head, sizeof head);
        check(std::memcmp(head.flag, "FT", 2) == 0, "an answer starts with FT");
        check(head.proto_id == proto_id && head.serial == serial_, "an answer to another question");
        std::string body(head.body_size, '\0');
        receive(&body[0], body.size());
        if (intact(head, body)) return body;  // Plain, like all answers to a client without a key.
        check(key_ != nullptr, "an answer with a wrong SHA-1");
        body = proto_id == kInitConnect ? key_->decrypt(body) : aes_cbc(false, aes_key_, aes_iv_, body);
        check(intact(head, body), "an answer with a wrong SHA-1 after decryption");
        encrypted_answers_++;
        return body;
    }

    static bool intact(const Head& head, const std::string& plain) {
        unsigned char sha1[SHA_DIGEST_LENGTH];
        SHA1(bytes(plain), plain.size(), sha1);
        return std::memcmp(sha1, head.sha1, sizeof sha1) == 0;
    }

    void receive(void* target, std::size_t size) {
        check(recv(socket_, target, size, MSG_WAITALL) == ssize_t(size), "the gateway closed the connection");
    }

    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    std::unique_ptr<RsaKey> key_;
    std::string aes_key_, aes_iv_;
    std::uint32_t serial_ = 0;
    int encrypted_answers_ = 0;
};

void print(const char* what, const google::protobuf::Message& message) {
    std::string json;
    check(google::protobuf::util::MessageToJsonString(message, &json).ok(), "no JSON");
    std::cout << what << ' ' << json << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: client PORT [KEY_FILE]" << std::endl;
        return 2;
    }
    try {
        Client client(std::stoi(argv[1]), argc == 3 ? argv[2] : nullptr);

        Qot_GetArkStockDynamic::Request dynamic;
        dynamic.mutable_c2s()->mutable_security()->set_market(Qot_Common::QotMarket_US_Security);
        dynamic.mutable_c2s()->mutable_security()->set_code("TSLA");
        print("dynamic", client.ask<Qot_GetArkStockDynamic::Response>(kGetArkStockDynamic, dynamic));

        Qot_GetRatingChange::Request rating;
        rating.mutable_c2s()->set_market(Qot_Common::QotMarket_US_Security);
        rating.mutable_c2s()->set_count(3);
        print("rating", client.ask<Qot_GetRatingChange::Response>(kGetRatingChange, rating));

        std::cout << "encrypted answers: " << client.encrypted_answers() << std::endl;
    } catch (const std::exception& error) {
        std::cout << "refused: " << error.what() << std::endl;
        return 1;
    }
}
