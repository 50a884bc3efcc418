"""Scenarios for msgraph-sdk against the lab's Graph. Talks to the test in lines of JSON."""

import asyncio

import httpx
from azure.identity import AuthorizationCodeCredential, ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.graph_request_adapter import options
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core import GraphClientFactory
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.tasks import PageIterator

from talk import ALICE, GRAPH, LAB, ask, code_for, passed

COMMON = {"authority": LAB["host"], "disable_instance_discovery": True, "connection_verify": LAB["ca"]}
ALICE_ID = "a0000000-0000-4000-8000-00000000000a"


def graph(credential, scope=f"{GRAPH}/.default"):
    """The SDK as it is, at another address and with one more certificate authority."""
    client = httpx.AsyncClient(verify=LAB["ca"], trust_env=False, timeout=30)
    http = GraphClientFactory.create_with_default_middleware(client=client, options=options)
    who = AzureIdentityAuthenticationProvider(credential, scopes=[scope], allowed_hosts=["localhost"])
    adapter = GraphRequestAdapter(who, client=http)
    adapter.base_url = f"{LAB['host']}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def as_service(app):
    return graph(ClientSecretCredential(LAB["tenant"], app["id"], app["secret"], **COMMON))


def as_alice(scope):
    web = LAB["web"]
    code = code_for(web, f"{GRAPH}/{scope} offline_access", ALICE)
    credential = AuthorizationCodeCredential(
        LAB["tenant"], web["id"], code, web["redirect"], client_secret=web["secret"], **COMMON
    )
    return graph(credential, f"{GRAPH}/{scope}")


async def refused(call):
    try:
        await call
    except ODataError as error:
        return error
    raise AssertionError("it was not refused")


def selecting(**options):
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(**options)
    return UsersRequestBuilder.UsersRequestBuilderGetRequestConfiguration(query_parameters=parameters)


async def main():
    me = as_alice("User.Read")
    alice = await me.me.get()
    assert (alice.id, alice.user_principal_name) == (ALICE_ID, ALICE), alice
    assert alice.additional_data["@odata.context"].endswith("/$metadata#users/$entity")
    passed("me")

    photo = await me.me.photo.content.get()
    assert photo[:3] == b"\xff\xd8\xff"
    assert (await me.me.photo.get()).width > 0
    passed("photo")

    error = await refused(me.me.messages.get())
    assert (error.response_status_code, error.error.code) == (403, "ErrorAccessDenied"), error
    assert error.error.inner_error.request_id, error
    passed("missing permission")

    groups = (await me.me.member_of.get()).value
    assert [group.display_name for group in groups] == ["Engineering", "Leads", "Seoul"]
    assert type(groups[0]).__name__ == "Group"
    passed("member of")

    reader = as_alice("Mail.Read")
    newest = (await reader.me.messages.get()).value[0]
    assert newest.subject == "Build 214 is green" and newest.received_date_time.year == 2026
    passed("messages")

    daemon = as_service(LAB["daemon"])
    names = []
    first = await daemon.users.get(request_configuration=selecting(top=3, select=["displayName", "id"]))
    assert len(first.value) == 3 and first.odata_next_link
    assert first.value[0].display_name and first.value[0].mail is None
    pages = PageIterator(first, daemon.request_adapter)
    await pages.iterate(lambda person: names.append(person.display_name) or True)
    assert len(names) == len(set(names)) == 8 and "Hana Sato" in names, names
    passed("users, page by page")

    error = await refused(daemon.users.by_user_id("nobody@contoso.test").get())
    assert (error.response_status_code, error.error.code) == (404, "Request_ResourceNotFound"), error
    passed("unknown user")

    error = await refused(daemon.me.get())
    assert error.response_status_code == 400, error
    passed("me without a user")

    batch = BatchRequestContent()
    for builder in (daemon.users, daemon.users.by_user_id("nobody@contoso.test")):
        batch.add_request_information(builder.to_get_request_information())
    answers = await BatchRequestBuilder(daemon.request_adapter).post(batch)
    statuses = sorted(answer.status for answer in answers.responses.values())
    assert statuses == [200, 404], statuses
    passed("batch")

    tool = as_service(LAB["tool"])
    wanted = Application(display_name="made by the SDK", identifier_uris=["api://made-by-the-sdk"])
    made = await tool.applications.post(wanted)
    assert made.app_id and made.identifier_uris == ["api://made-by-the-sdk"]
    await tool.applications.by_application_id(made.id).patch(Application(display_name="renamed"))
    assert (await tool.applications_with_app_id(made.app_id).get()).display_name == "renamed"
    principal = await tool.service_principals.post(ServicePrincipal(app_id=made.app_id))
    assert principal.app_id == made.app_id
    await tool.applications.by_application_id(made.id).delete()
    gone = await refused(tool.applications.by_application_id(made.id).get())
    assert gone.response_status_code == 404
    passed("a registration, from its making to its end")

    # Its own middleware waits for the time that the lab names, and asks again.
    ask("throttle graph")
    assert len((await daemon.users.get()).value) == 8
    passed("throttling")


asyncio.run(main())
