//! The layout of every struct of the ABI, as `tests/c/layout.h` has it for C and C++: a change here is a change of the ABI.

use super::types::*;
use std::mem::offset_of;

macro_rules! layout {
    ($name:ident = $size:literal: $($member:ident $at:literal)*) => {
        const _: () = {
            assert!(size_of::<$name>() == $size && align_of::<$name>() == 8);
            $(assert!(offset_of!($name, $member) == $at);)*
        };
    };
}

layout!(portcullis_slice = 16: ptr 0 len 8);
layout!(portcullis_header = 32: name 0 value 16);
layout!(portcullis_request = 208: struct_size 0 reserved 4 received_at_ms 8 method 16 target 32 headers 48 header_count 56 body 64
    client_ip 80 scheme 96 authority 112 profile 128 app_id 144 tls 160 peer_certificate_sha256 176 trace_id 192);
layout!(portcullis_verdict = 280: struct_size 0 reason 4 http_status 6 retry_after_ms 8 ticket 16 one_time 40 alert 64 reserved 68 code 72
    app_id 96 kid 168 api_id 240);
layout!(portcullis_signer_options = 120: struct_size 0 reserved 4 profile 8 app_id 24 kid 40 alg 56 private_key_pem 72 sm2_user_id 88
    extra 104 extra_count 112);
layout!(portcullis_signed = 80: struct_size 0 reserved 4 length 8 method 16 target 32 headers 48 header_count 56 body 64);
layout!(portcullis_audit_head = 32: chain 0 lines 8 link 16);
layout!(portcullis_audit_options = 32: struct_size 0 keep_days 4 key 8 after 24);
layout!(portcullis_audit_record = 80: struct_size 0 reserved 4 at_ms 8 verdict 16 duration_us 24 trace_id 32 account 48 request 64 worker 72);
layout!(portcullis_completion = 296: struct_size 0 reserved 4 user 8 verdict 16);
const _: () = {
    assert!(size_of::<portcullis_token>() == 56 && align_of::<portcullis_token>() == 4);
    assert!(offset_of!(portcullis_token, expires_in_s) == 4 && offset_of!(portcullis_token, text) == 8);
    assert!(size_of::<portcullis_queue_options>() == 16 && align_of::<portcullis_queue_options>() == 4);
    assert!(offset_of!(portcullis_queue_options, threads) == 4 && offset_of!(portcullis_queue_options, capacity) == 8);
    assert!(size_of::<portcullis_result>() == 4);
};
