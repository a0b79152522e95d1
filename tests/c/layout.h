/* The layout of every struct of the ABI, as src/ffi/layout.rs has it for Rust: a change here is a change of the ABI. */
#ifndef PORTCULLIS_TESTS_LAYOUT_H
#define PORTCULLIS_TESTS_LAYOUT_H
#include "portcullis.h"
#include <assert.h>
#include <stddef.h>

#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " changed its size")
#define AT(type, member, offset) static_assert(offsetof(type, member) == (offset), #type "." #member " moved")

SIZE(portcullis_slice, 16);
AT(portcullis_slice, ptr, 0);
AT(portcullis_slice, len, 8);
SIZE(portcullis_header, 32);
AT(portcullis_header, name, 0);
AT(portcullis_header, value, 16);
SIZE(portcullis_request, 208);
AT(portcullis_request, struct_size, 0);
AT(portcullis_request, reserved, 4);
AT(portcullis_request, received_at_ms, 8);
AT(portcullis_request, method, 16);
AT(portcullis_request, target, 32);
AT(portcullis_request, headers, 48);
AT(portcullis_request, header_count, 56);
AT(portcullis_request, body, 64);
AT(portcullis_request, client_ip, 80);
AT(portcullis_request, scheme, 96);
AT(portcullis_request, authority, 112);
AT(portcullis_request, profile, 128);
AT(portcullis_request, app_id, 144);
AT(portcullis_request, tls, 160);
AT(portcullis_request, peer_certificate_sha256, 176);
AT(portcullis_request, trace_id, 192);
SIZE(portcullis_verdict, 280);
AT(portcullis_verdict, struct_size, 0);
AT(portcullis_verdict, reason, 4);
AT(portcullis_verdict, http_status, 6);
AT(portcullis_verdict, retry_after_ms, 8);
AT(portcullis_verdict, ticket, 16);
AT(portcullis_verdict, one_time, 40);
AT(portcullis_verdict, alert, 64);
AT(portcullis_verdict, reserved, 68);
AT(portcullis_verdict, code, 72);
AT(portcullis_verdict, app_id, 96);
AT(portcullis_verdict, kid, 168);
AT(portcullis_verdict, api_id, 240);
SIZE(portcullis_signer_options, 120);
AT(portcullis_signer_options, struct_size, 0);
AT(portcullis_signer_options, reserved, 4);
AT(portcullis_signer_options, profile, 8);
AT(portcullis_signer_options, app_id, 24);
AT(portcullis_signer_options, kid, 40);
AT(portcullis_signer_options, alg, 56);
AT(portcullis_signer_options, private_key_pem, 72);
AT(portcullis_signer_options, sm2_user_id, 88);
AT(portcullis_signer_options, extra, 104);
AT(portcullis_signer_options, extra_count, 112);
SIZE(portcullis_signed, 80);
AT(portcullis_signed, struct_size, 0);
AT(portcullis_signed, reserved, 4);
AT(portcullis_signed, length, 8);
AT(portcullis_signed, method, 16);
AT(portcullis_signed, target, 32);
AT(portcullis_signed, headers, 48);
AT(portcullis_signed, header_count, 56);
AT(portcullis_signed, body, 64);
SIZE(portcullis_audit_head, 32);
AT(portcullis_audit_head, chain, 0);
AT(portcullis_audit_head, lines, 8);
AT(portcullis_audit_head, link, 16);
SIZE(portcullis_audit_options, 32);
AT(portcullis_audit_options, struct_size, 0);
AT(portcullis_audit_options, keep_days, 4);
AT(portcullis_audit_options, key, 8);
AT(portcullis_audit_options, after, 24);
SIZE(portcullis_audit_record, 80);
AT(portcullis_audit_record, struct_size, 0);
AT(portcullis_audit_record, reserved, 4);
AT(portcullis_audit_record, at_ms, 8);
AT(portcullis_audit_record, verdict, 16);
AT(portcullis_audit_record, duration_us, 24);
AT(portcullis_audit_record, trace_id, 32);
AT(portcullis_audit_record, account, 48);
AT(portcullis_audit_record, request, 64);
AT(portcullis_audit_record, worker, 72);
SIZE(portcullis_completion, 296);
AT(portcullis_completion, struct_size, 0);
AT(portcullis_completion, reserved, 4);
AT(portcullis_completion, user, 8);
AT(portcullis_completion, verdict, 16);
SIZE(portcullis_token, 56);
AT(portcullis_token, struct_size, 0);
AT(portcullis_token, expires_in_s, 4);
AT(portcullis_token, text, 8);
SIZE(portcullis_queue_options, 16);
AT(portcullis_queue_options, struct_size, 0);
AT(portcullis_queue_options, threads, 4);
AT(portcullis_queue_options, capacity, 8);
AT(portcullis_queue_options, flags, 12);
SIZE(portcullis_result, 4);
#endif
